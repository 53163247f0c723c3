"""Judges admission webhooks of other projects that would block ModelServices or their children. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from modelservice_operator.apimachinery.kinds import CHILD_KINDS, MODEL_SERVICE, POD, ResourceKind
from modelservice_operator.apimachinery.objects import Json, NamespacedName, Object
from modelservice_operator.check.facts import Facts, Unreadable
from modelservice_operator.check.findings import Finding, FindingID, error, ok, unreadable

_KINDS = (MODEL_SERVICE, *CHILD_KINDS, POD)
_WRITES = frozenset({"CREATE", "UPDATE", "*"})


class Webhook(NamedTuple):
    """A webhook that must answer before a kind can be written."""

    kind: str
    configuration: str
    name: str
    service: NamespacedName | None
    """None for a URL outside of the cluster."""
    resource: str


def intercepting_webhooks(configurations: Iterable[Object]) -> Iterator[Webhook]:
    """Yield the webhooks that intercept what the operator or its users write, and must not fail."""
    for body in configurations:
        for webhook in body.get("webhooks") or ():
            resource = _intercepted(webhook)
            if resource and webhook.get("failurePolicy", "Fail") == "Fail":
                service = (webhook.get("clientConfig") or {}).get("service")
                key = NamespacedName(service["namespace"], service["name"]) if service else None
                yield Webhook(body.get("kind", ""), body["metadata"]["name"], webhook["name"], key, resource)


def _intercepted(webhook: Json) -> str:
    rules = webhook.get("rules") or ()
    return next((kind.group_resource for kind in _KINDS for rule in rules if _matches(rule, kind)), "")


def _matches(rule: Json, kind: ResourceKind) -> bool:
    groups, resources = set(rule.get("apiGroups") or ()), set(rule.get("resources") or ())
    return (
        not _WRITES.isdisjoint(rule.get("operations") or ())
        and not groups.isdisjoint({"*", kind.group})
        and not resources.isdisjoint({"*", "*/*", kind.plural})
    )


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
    namespace, name = service or NamespacedName("", "")
    fix = f"kubectl -n {namespace} get endpointslices,pods -l kubernetes.io/service-name={name}"
    return error(FindingID.WEBHOOK_UNAVAILABLE, text, fix)
