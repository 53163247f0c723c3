"""A child's name that is taken, before or while the ModelService runs: the object stays as it is."""

import json
from typing import Any

import pytest

from modelservice_operator.apimachinery.kinds import (
    BUILT_IN_CHILD_KINDS,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    ResourceKind,
)
from modelservice_operator.resources import build_children
from modelservice_operator.resources.metadata import MANAGED_BY_LABEL, OWNER_ANNOTATION
from modelservice_operator.settings import FIELD_MANAGER
from tests.environment.audit import AuditTrail
from tests.support.builders import ModelServiceBuilder, golden
from tests.support.namespace import TestNamespace

STATUS = "update modelservices/status"
OTHER_UID = "99999999-8888-7777-6666-555555555555"
HOLD = ["example.com/hold"]
LABELS = {MANAGED_BY_LABEL: FIELD_MANAGER}
RENAME = "Delete or rename it, or give the ModelService another name."
ORPHANED = (
    "An earlier ModelService of this name left it behind (--cascade=orphan): delete it to have a new one created."
)
RETRY = 60
"""An object without our label sends us no event: it is looked at again every 30 s, give or take."""


@pytest.fixture(scope="module")
def controller(world: TestNamespace) -> dict[str, Any]:
    """An owner reference to somebody else, who exists: the garbage collector looks after others."""
    world.kubectl("create", "configmap", "controller")
    uid = world.get("configmap", "controller")["metadata"]["uid"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": "controller", "uid": uid, "controller": True}


def a_service(world: TestNamespace, name: str) -> ModelServiceBuilder:
    """One that has a child of each kind, and whose pods can run."""
    blocked = (
        "serviceAccountName",
        "priorityClassName",
        "runtimeClassName",
        "nodeSelector",
        "affinity",
        "mounts",
        "rollout",
    )
    return golden("everything").named(name, namespace=world.namespace).without_spec(*blocked)


def take(world: TestNamespace, kind: ResourceKind, name: str, metadata: dict[str, Any]) -> None:
    """Create an object like a child, with metadata of somebody else."""
    [child] = [child for child in build_children(a_service(world, name).parsed()) if child.kind is kind]
    body = dict(child.body) | {"metadata": {"name": name} | metadata}
    world.kubectl("create", "-f", "-", stdin=json.dumps(body))


def untouched(world: TestNamespace, kind: ResourceKind, name: str) -> dict[str, Any]:
    """Return everything of an object that no controller of Kubernetes itself writes."""
    live: dict[str, Any] = world.get(kind.plural, name)
    metadata = live["metadata"]
    managers = [entry for entry in metadata.pop("managedFields", ()) if not entry.get("subresource")]
    if "status" in live:
        metadata.pop("resourceVersion")
        metadata.get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    return {"metadata": metadata, "spec": live["spec"], "by us": FIELD_MANAGER in {it["manager"] for it in managers}}


def is_refused(world: TestNamespace, name: str) -> bool:
    return bool(world.condition(name).get("reason") == "NameConflict")


def is_owned(world: TestNamespace, kind: ResourceKind, name: str) -> bool:
    """Whether the child is that of the ModelService."""
    live, uid = world.get(kind.plural, name), world.service(name)["metadata"]["uid"]
    return live is not None and uid in [owner["uid"] for owner in live["metadata"].get("ownerReferences", ())]


def is_ours(world: TestNamespace, kind: ResourceKind, name: str) -> bool:
    """Whether the child is that of the ModelService, and nobody complains any more."""
    return is_owned(world, kind, name) and not is_refused(world, name) and not world.condition(name, "Stalled")


def assert_refused(world: TestNamespace, kind: ResourceKind, name: str, way_out: str) -> None:
    world.wait(lambda: is_refused(world, name), "name conflict", name=name)
    expected = (
        f"{kind.kind} {name} already exists and is not managed by this ModelService; it was not modified. {way_out}"
    )
    assert world.condition(name)["message"] == expected
    assert world.condition(name, "Stalled")["reason"] == "NameConflict"
    assert world.condition(name, "Reconciling") == {}


def test_a_name_that_is_taken_beforehand(world: TestNamespace, controller: dict[str, Any], audit: AuditTrail) -> None:
    """Nobody's object, somebody else's, an orphan of an earlier ModelService, and one that is being deleted."""
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "nobody": ({}, RENAME),
        "other": ({"ownerReferences": [controller], "labels": LABELS}, RENAME),
        "orphan": ({"annotations": {OWNER_ANNOTATION: OTHER_UID}, "labels": LABELS}, ORPHANED),
        "ending": ({"finalizers": HOLD}, RENAME),
    }
    taken = [(named(case, kind), kind, *cases[case]) for case in cases for kind in BUILT_IN_CHILD_KINDS]
    for name, kind, metadata, _ in taken:
        take(world, kind, name, metadata)
        if "finalizers" in metadata:
            world.kubectl("delete", kind.plural, name, "--wait=false")
    before = {name: untouched(world, kind, name) for name, kind, _, _ in taken}
    for name, _, _, _ in taken:
        world.apply(a_service(world, name))
    for name, kind, _, way_out in taken:
        assert_refused(world, kind, name, way_out)
        assert untouched(world, kind, name) == before[name]
        assert_only_tried(audit, kind, name)
    for name, kind, metadata, _ in taken:
        if "finalizers" in metadata:
            release(world, kind, name)
        else:
            world.kubectl("delete", kind.plural, name)
    for name, kind, _, _ in taken:
        wait_ours(world, kind, name)


def named(case: str, kind: ResourceKind) -> str:
    return f"{case}-{kind.kind.lower()[:8]}"


def release(world: TestNamespace, kind: ResourceKind, name: str) -> None:
    """Take the finalizer away that holds an object."""
    world.kubectl("patch", kind.plural, name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')


def wait_ours(world: TestNamespace, kind: ResourceKind, name: str) -> None:
    world.wait(lambda: is_ours(world, kind, name), f"{kind.kind} of ours", within=RETRY, name=name)


def assert_only_tried(audit: AuditTrail, kind: ResourceKind, name: str) -> None:
    """Nothing was written but the other children and the status: once, where no rollout changes it."""
    writes = audit.accepted_writes_of(name)
    statuses = writes.pop(STATUS)
    assert statuses == 1 or kind is not DEPLOYMENT
    # No autoscaler is made for a Deployment that is not ours: it would scale it.
    missing = {DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER} if kind is DEPLOYMENT else {kind}
    assert writes == {f"create {other.plural}": 1 for other in BUILT_IN_CHILD_KINDS if other not in missing}


def test_a_name_that_is_taken_while_running(world: TestNamespace, controller: dict[str, Any]) -> None:
    """By a new controller, or by somebody who takes every mark of ours away."""
    stripped = {"ownerReferences": None, "labels": None, "annotations": None}
    deeds = {"moved": {"ownerReferences": [controller]}, "stripped": stripped}
    taken = [(named(deed, kind), kind, deeds[deed]) for deed in deeds for kind in BUILT_IN_CHILD_KINDS]
    for name, _, _ in taken:
        world.apply(a_service(world, name))
    for name, kind, metadata in taken:
        world.wait_ready(name, within=60)
        world.kubectl("patch", kind.plural, name, "--type=merge", "-p", json.dumps({"metadata": metadata}))
    for name, kind, _ in taken:
        before = untouched(world, kind, name)
        assert_refused(world, kind, name, RENAME)
        assert untouched(world, kind, name) == before
        assert not scales_another(world, name)
        world.kubectl("delete", kind.plural, name)
    for name, kind, _ in taken:
        wait_ours(world, kind, name)
        world.wait_ready(name, within=60)


def scales_another(world: TestNamespace, name: str) -> bool:
    """Whether an autoscaler of ours targets a Deployment that is not."""
    return is_owned(world, HORIZONTAL_POD_AUTOSCALER, name) and not is_owned(world, DEPLOYMENT, name)


def test_a_child_that_is_on_its_way_out_is_waited_for(world: TestNamespace) -> None:
    """Ours, deleted by somebody, or left of an earlier ModelService of this name: nobody has to act."""
    for kind in BUILT_IN_CHILD_KINDS:
        ours, earlier = named("going", kind), named("earlier", kind)
        reference = {"apiVersion": "modelservice.dev/v1alpha1", "kind": "ModelService", "uid": OTHER_UID}
        owner = reference | {"name": earlier, "controller": True}
        take(world, kind, earlier, {"ownerReferences": [owner], "labels": LABELS, "finalizers": HOLD})
        world.apply(a_service(world, ours))
        world.wait_ready(ours, within=60)
        world.kubectl("patch", kind.plural, ours, "--type=merge", "-p", json.dumps({"metadata": {"finalizers": HOLD}}))
        world.kubectl("delete", kind.plural, ours, "--wait=false")
        world.apply(a_service(world, earlier))
        for name in (ours, earlier):
            assert_waited_for(world, kind, name)


def assert_waited_for(world: TestNamespace, kind: ResourceKind, name: str) -> None:
    def waits() -> bool:
        ready = world.condition(name)
        return ready.get("reason") == "Retrying" and f"{kind.kind} {name} " in ready["message"]

    world.wait(waits, "waiting", name=name)
    assert world.condition(name)["message"].endswith("is being deleted; waiting until it is gone.")
    assert world.condition(name, "Reconciling")["status"] == "True"
    assert world.condition(name, "Stalled") == {}
    old = world.get(kind.plural, name)["metadata"]["uid"]
    release(world, kind, name)
    # The garbage collector may still have to find out that the earlier owner is gone.
    wait_ours(world, kind, name)
    assert world.get(kind.plural, name)["metadata"]["uid"] != old
