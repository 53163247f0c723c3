"""Judges admission webhooks of other projects that would block ModelServices or their children. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from modelservice_operator.apimachinery.kinds import (
    CHILD_KINDS,
    DEPLOYMENT,
    LEASE,
    MODEL_SERVICE,
    POD,
    REPLICA_SET,
    ResourceKind,
)
from modelservice_operator.apimachinery.objects import Json, NamespacedName, Object
from modelservice_operator.check.facts import Facts, Unreadable
from modelservice_operator.check.findings import Finding, FindingID, error, ok, unreadable, warning

_WRITTEN: tuple[tuple[ResourceKind, str], ...] = (
    *((kind, "") for kind in (LEASE, MODEL_SERVICE, *CHILD_KINDS, REPLICA_SET, POD)),
    (MODEL_SERVICE, "status"),
    (DEPLOYMENT, "scale"),
)
"""Resources and subresources that the operator, its users or the controllers of its children write."""
_SELECTORS = ("namespaceSelector", "objectSelector", "matchConditions")
"""Fields that let a webhook intercept a part of the objects only."""
_WRITES = frozenset({"CREATE", "UPDATE", "*"})


class Webhook(NamedTuple):
    """A webhook that must answer before a kind can be written."""

    kind: str
    configuration: str
    name: str
    service: NamespacedName | None
    """None for a URL outside of the cluster."""
    resource: str
    is_restricted: bool
    """It intercepts only a part of the objects."""


def intercepting_webhooks(configurations: Iterable[Object]) -> Iterator[Webhook]:
    """Yield the webhooks that intercept what the operator or its users write, and must not fail."""
    for body in configurations:
        for webhook in body.get("webhooks") or ():
            resource = _intercepted(webhook)
            if resource and webhook.get("failurePolicy", "Fail") == "Fail":
                service = (webhook.get("clientConfig") or {}).get("service")
                key = NamespacedName(service["namespace"], service["name"]) if service else None
                yield Webhook(
                    kind=body.get("kind", ""),
                    configuration=body["metadata"]["name"],
                    name=webhook["name"],
                    service=key,
                    resource=resource,
                    is_restricted=any(webhook.get(field) for field in _SELECTORS),
                )


def _intercepted(webhook: Json) -> str:
    rules = webhook.get("rules") or ()
    found = (
        (kind, subresource) for kind, subresource in _WRITTEN if any(_matches(one, kind, subresource) for one in rules)
    )
    kind, subresource = next(found, (None, ""))
    return f"{kind.group_resource}{'/' if subresource else ''}{subresource}" if kind is not None else ""


def _matches(rule: Json, kind: ResourceKind, subresource: str) -> bool:
    """Return True if a rule includes a resource; `*` includes no subresource (apiserver, webhook/predicates/rules)."""
    groups, resources = set(rule.get("apiGroups") or ()), set(rule.get("resources") or ())
    return (
        not _WRITES.isdisjoint(rule.get("operations") or ())
        and not groups.isdisjoint({"*", kind.group})
        and not resources.isdisjoint(_patterns(kind.plural, subresource))
    )


def _patterns(plural: str, subresource: str) -> set[str]:
    if subresource:
        return {"*/*", f"{plural}/*", f"*/{subresource}", f"{plural}/{subresource}"}
    return {"*", "*/*", f"{plural}/*", plural}


def check_webhooks(facts: Facts) -> Iterator[Finding]:
    """Yield the webhooks that reject everything because nothing serves them."""
    if isinstance(facts.webhooks, Unreadable):
        yield unreadable(FindingID.WEBHOOKS_UNREADABLE, "admission webhooks", facts.webhooks.reason, facts.user)
        return
    found = tuple(intercepting_webhooks(facts.webhooks))
    broken = [one for one in found if one.service is not None and facts.endpoints.get(one.service) is False]
    for one in broken:
        yield _unavailable(one)
    for one in found:
        answer = facts.endpoints.get(one.service) if one.service is not None else None
        if isinstance(answer, Unreadable):
            subject = f"the endpoints of webhook {one.name}"
            yield unreadable(FindingID.WEBHOOKS_UNREADABLE, subject, answer.reason, facts.user)
    if not broken:
        text = (
            f"{len(found)} admission webhooks of other projects must answer before an object of the operator is written"
        )
        yield ok(FindingID.WEBHOOKS, f"{text}; none is known to be without a ready endpoint.")


def _unavailable(webhook: Webhook) -> Finding:
    service = webhook.service
    text = (
        f"The webhook {webhook.name} ({webhook.kind} {webhook.configuration}) intercepts {webhook.resource}, must not"
        f" fail, and its Service {service} has no ready endpoint: the API server rejects what it intercepts."
    )
    if webhook.is_restricted:
        text += " It has selectors: perhaps it does not intercept the objects of the operator."
    namespace, name = service or NamespacedName("", "")
    fix = f"kubectl -n {namespace} get endpointslices,pods -l kubernetes.io/service-name={name}"
    judge = warning if webhook.is_restricted else error
    return judge(FindingID.WEBHOOK_UNAVAILABLE, text, fix)
