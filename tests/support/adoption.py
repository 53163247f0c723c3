"""Objects that have the names of children: lost ones, and those of other owners."""

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from statistics import mean
from typing import Any

from modelservice_operator.apimachinery.kinds import BUILT_IN_CHILD_KINDS, HORIZONTAL_POD_AUTOSCALER, ResourceKind
from modelservice_operator.apimachinery.well_known import INSTANCE_LABEL
from modelservice_operator.controller.controller import TERMINAL_ERROR_INTERVAL
from modelservice_operator.resources import build_children
from modelservice_operator.resources.metadata import ADOPT_BY_ANNOTATION
from tests.environment.audit import AuditTrail
from tests.support.backups import Backup
from tests.support.builders import ModelServiceBuilder, golden
from tests.support.namespace import PLURAL, NamespaceFixture

UNSCHEDULABLE = (
    *("serviceAccountName", "priorityClassName", "runtimeClassName", "nodeSelector", "affinity", "mounts", "rollout"),
    "resourceClaims",
)
FINALIZERS = ["example.com/hold"]


def fullest(name: str) -> ModelServiceBuilder:
    """Return a ModelService that has a child of each built-in kind, and whose pods can run."""
    return golden("everything").named(name).without_spec(*UNSCHEDULABLE)


def backup(ns: NamespaceFixture, name: str) -> Backup:
    """Return the pods, ReplicaSets and children of one ModelService."""
    return Backup(ns, f"{INSTANCE_LABEL}={name}")


def uids(ns: NamespaceFixture, resource: str, name: str) -> dict[str, str]:
    return backup(ns, name).uids(resource)


def all_uids(ns: NamespaceFixture, name: str) -> dict[str, str]:
    return backup(ns, name).uids()


def owner_uid(ns: NamespaceFixture, kind: ResourceKind, name: str) -> str | None:
    """Return the UID of the controller of a child."""
    live = ns.get(kind.plural, name) or {"metadata": {}}
    return next((ref["uid"] for ref in live["metadata"].get("ownerReferences", ()) if ref.get("controller")), None)


def wait_owned(ns: NamespaceFixture, name: str, kinds: tuple[ResourceKind, ...] = BUILT_IN_CHILD_KINDS) -> None:
    """Wait until the living ModelService owns its children, and is ready."""
    uid = ns.get_model_service(name)["metadata"]["uid"]
    ns.wait(lambda: {owner_uid(ns, kind, name) for kind in kinds} == {uid}, "owned children", name=name)
    ns.wait_ready(name)


def delete_everything(ns: NamespaceFixture, name: str) -> None:
    ns.kubectl("delete", PLURAL, name, "--cascade=foreground", "--timeout=60s")
    ns.wait(lambda: all_uids(ns, name) == {}, "deletion of everything", name=name)


def create_like_child(ns: NamespaceFixture, kind: ResourceKind, service: ModelServiceBuilder, **metadata: Any) -> None:
    """Create an object with the name and spec of a child, but with other metadata."""
    parsed = service.named(service.name, namespace=ns.namespace).parsed()
    [child] = [child for child in build_children(parsed) if child.kind is kind]
    body = dict(child.body) | {"metadata": {"name": service.name} | metadata}
    ns.kubectl("create", "-f", "-", stdin=json.dumps(body))


def wait_conflict(ns: NamespaceFixture, name: str) -> str:
    """Wait for the name conflict of a ModelService; return its message."""
    ns.wait(lambda: ns.condition(name).get("reason") == "NameConflict", "name conflict", name=name)
    return str(ns.condition(name)["message"])


def run_advice(ns: NamespaceFixture, message: str) -> None:
    """Run the command that a message advises."""
    match = re.search(r"run kubectl ([^,]*?)[.,](?: |$)", message)
    assert match, message
    ns.cluster.run_kubectl(*shlex.split(match[1]))


def taken_name(case: str, kind: ResourceKind) -> str:
    return f"{case}-{kind.kind.lower()[:8]}"


def end_by_deletion(ns: NamespaceFixture, kind: ResourceKind, name: str) -> None:
    ns.kubectl("delete", kind.plural, name)


def end_by_finalizer(ns: NamespaceFixture, kind: ResourceKind, name: str) -> None:
    """End a deletion that hangs."""
    ns.kubectl("patch", kind.plural, name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')


def end_by_word(ns: NamespaceFixture, kind: ResourceKind, name: str) -> None:
    ns.kubectl("annotate", kind.plural, name, f"{ADOPT_BY_ANNOTATION}={name}")


ENDS: dict[str, Callable[[NamespaceFixture, ResourceKind, str], None]] = {
    "deleted": end_by_deletion,
    "finished": end_by_finalizer,
    "offered": end_by_word,
}


def block(ns: NamespaceFixture, kind: ResourceKind, name: str, end: str) -> None:
    """Create an object that has the name of a child, and the ModelService."""
    hangs = end == "finished"
    create_like_child(ns, kind, fullest(name), **({"finalizers": FINALIZERS} if hangs else {}))
    if hangs:
        ns.kubectl("delete", kind.plural, name, "--wait=false")
    ns.apply(fullest(name))


def wait_watches_ended(ns: NamespaceFixture, audit: AuditTrail, name: str) -> None:
    ns.wait(lambda: len(set(audit.watches_of(name))) == 1, "end of the watches of the name", name=name)


def wait_blocked(ns: NamespaceFixture, name: str) -> None:
    def is_blocked() -> bool:
        ready = ns.condition(name)
        return ready.get("reason") == "NameConflict" or "waiting until it is gone" in ready.get("message", "")

    ns.wait(is_blocked, "name conflict", name=name)


def seconds_until_owned(
    ns: NamespaceFixture,
    audit: AuditTrail,
    kind: ResourceKind,
    name: str,
    end: Callable[[NamespaceFixture, ResourceKind, str], None],
) -> float:
    """End a conflict; return the seconds until the operator's request that created or adopted the child."""
    uid, started = ns.get_model_service(name)["metadata"]["uid"], time.time()
    end(ns, kind, name)
    ns.wait(lambda: owner_uid(ns, kind, name) == uid, f"owned {kind.kind}", name=name)

    def answered() -> Iterator[float]:
        for request in audit.requests():
            is_it = (request.call.resource, request.call.name) == (kind.plural, name)
            if is_it and request.accepted and request.is_write and request.answered > started:
                yield request.answered

    ns.wait(lambda: [*answered()], "line of the request in the audit log", name=name)
    return min(answered()) - started


def assert_conflicts_end(ns: NamespaceFixture, audit: AuditTrail, end: str) -> str:
    """Block the names of all kinds of children, and end each conflict; return how long the children took.

    The operator must not wait for its interval of retries, and no watch of a name may be left.
    """
    names = {kind: taken_name(end, kind) for kind in BUILT_IN_CHILD_KINDS}
    for kind, name in names.items():
        block(ns, kind, name, end)
    for name in names.values():
        wait_blocked(ns, name)
    delays = [seconds_until_owned(ns, audit, kind, name, ENDS[end]) for kind, name in names.items()]
    # If only retries noticed it, the mean would be half of their interval.
    assert mean(delays) < TERMINAL_ERROR_INTERVAL / 4
    for name in names.values():
        wait_watches_ended(ns, audit, name)
    began = {kind: audit.watches_of(name)[0] for kind, name in names.items()}
    # Autoscalers of all owners are in the cache.
    assert began == {kind: int(kind is not HORIZONTAL_POD_AUTOSCALER) for kind in names}
    return f"Name conflicts of {len(delays)} kinds, {end}: the child followed after {max(delays):.2f} s at most"
