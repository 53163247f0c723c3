"""Objects that the operator does not own are not modified; a field that another client reverts is reported."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from modelservice_operator.apimachinery.kinds import (
    BUILT_IN_CHILD_KINDS,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    ResourceKind,
)
from modelservice_operator.apply.drift_limiter import MAX_CORRECTIONS
from modelservice_operator.resources import build_children
from modelservice_operator.resources.metadata import MANAGED_BY_LABEL, OWNER_ANNOTATION
from modelservice_operator.settings import FIELD_MANAGER
from tests.environment.audit import AuditTrail
from tests.support.api import MERGE_PATCH, ApiClient, Object, Watcher
from tests.support.builders import ModelServiceBuilder, golden, model_service
from tests.support.namespace import NamespaceFixture

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
def controller(ns: NamespaceFixture) -> dict[str, Any]:
    """An owner reference to somebody else, who exists: the garbage collector looks after others."""
    ns.kubectl("create", "configmap", "controller")
    uid = ns.get("configmap", "controller")["metadata"]["uid"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": "controller", "uid": uid, "controller": True}


def a_service(ns: NamespaceFixture, name: str) -> ModelServiceBuilder:
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
    return golden("everything").named(name, namespace=ns.namespace).without_spec(*blocked)


def take(ns: NamespaceFixture, kind: ResourceKind, name: str, metadata: dict[str, Any]) -> None:
    """Create an object like a child, with metadata of somebody else."""
    [child] = [child for child in build_children(a_service(ns, name).parsed()) if child.kind is kind]
    body = dict(child.body) | {"metadata": {"name": name} | metadata}
    ns.kubectl("create", "-f", "-", stdin=json.dumps(body))


def untouched(ns: NamespaceFixture, kind: ResourceKind, name: str) -> dict[str, Any]:
    """Return everything of an object that no controller of Kubernetes itself writes."""
    live: dict[str, Any] = ns.get(kind.plural, name)
    metadata = live["metadata"]
    managers = [entry for entry in metadata.pop("managedFields", ()) if not entry.get("subresource")]
    if "status" in live:
        metadata.pop("resourceVersion")
        metadata.get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    return {"metadata": metadata, "spec": live["spec"], "by us": FIELD_MANAGER in {it["manager"] for it in managers}}


def is_refused(ns: NamespaceFixture, name: str) -> bool:
    return bool(ns.condition(name).get("reason") == "NameConflict")


def is_owned(ns: NamespaceFixture, kind: ResourceKind, name: str) -> bool:
    """Whether the child is that of the ModelService."""
    live, uid = ns.get(kind.plural, name), ns.get_model_service(name)["metadata"]["uid"]
    return live is not None and uid in [owner["uid"] for owner in live["metadata"].get("ownerReferences", ())]


def is_ours(ns: NamespaceFixture, kind: ResourceKind, name: str) -> bool:
    """Whether the child is that of the ModelService, and nobody complains any more."""
    return is_owned(ns, kind, name) and not is_refused(ns, name) and not ns.condition(name, "Stalled")


def assert_refused(ns: NamespaceFixture, kind: ResourceKind, name: str, way_out: str) -> None:
    ns.wait(lambda: is_refused(ns, name), "name conflict", name=name)
    expected = (
        f"{kind.kind} {name} already exists and is not managed by this ModelService; it was not modified. {way_out}"
    )
    assert ns.condition(name)["message"] == expected
    assert ns.condition(name, "Stalled")["reason"] == "NameConflict"
    assert ns.condition(name, "Reconciling") == {}


def test_name_conflict_before_creation_is_reported(
    ns: NamespaceFixture, controller: dict[str, Any], audit: AuditTrail
) -> None:
    """Nobody's object, somebody else's, an orphan of an earlier ModelService, and one that is being deleted."""
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "nobody": ({}, RENAME),
        "other": ({"ownerReferences": [controller], "labels": LABELS}, RENAME),
        "orphan": ({"annotations": {OWNER_ANNOTATION: OTHER_UID}, "labels": LABELS}, ORPHANED),
        "ending": ({"finalizers": HOLD}, RENAME),
    }
    taken = [(named(case, kind), kind, *cases[case]) for case in cases for kind in BUILT_IN_CHILD_KINDS]
    for name, kind, metadata, _ in taken:
        take(ns, kind, name, metadata)
        if "finalizers" in metadata:
            ns.kubectl("delete", kind.plural, name, "--wait=false")
    before = {name: untouched(ns, kind, name) for name, kind, _, _ in taken}
    for name, _, _, _ in taken:
        ns.apply(a_service(ns, name))
    for name, kind, _, way_out in taken:
        assert_refused(ns, kind, name, way_out)
        assert untouched(ns, kind, name) == before[name]
        assert_only_tried(audit, kind, name)
    for name, kind, metadata, _ in taken:
        if "finalizers" in metadata:
            release(ns, kind, name)
        else:
            ns.kubectl("delete", kind.plural, name)
    for name, kind, _, _ in taken:
        wait_ours(ns, kind, name)


def named(case: str, kind: ResourceKind) -> str:
    return f"{case}-{kind.kind.lower()[:8]}"


def release(ns: NamespaceFixture, kind: ResourceKind, name: str) -> None:
    """Take the finalizer away that holds an object."""
    ns.kubectl("patch", kind.plural, name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')


def wait_ours(ns: NamespaceFixture, kind: ResourceKind, name: str) -> None:
    ns.wait(lambda: is_ours(ns, kind, name), f"{kind.kind} of ours", within=RETRY, name=name)


def assert_only_tried(audit: AuditTrail, kind: ResourceKind, name: str) -> None:
    """Nothing was written but the other children and the status: once, where no rollout changes it."""
    writes = audit.accepted_writes_of(name)
    statuses = writes.pop(STATUS)
    assert statuses == 1 or kind is not DEPLOYMENT
    # No autoscaler is made for a Deployment that is not ours: it would scale it.
    missing = {DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER} if kind is DEPLOYMENT else {kind}
    assert writes == {f"create {other.plural}": 1 for other in BUILT_IN_CHILD_KINDS if other not in missing}


def test_name_conflict_after_creation_is_reported(ns: NamespaceFixture, controller: dict[str, Any]) -> None:
    """By a new controller, or by somebody who takes every mark of ours away."""
    stripped = {"ownerReferences": None, "labels": None, "annotations": None}
    deeds = {"moved": {"ownerReferences": [controller]}, "stripped": stripped}
    taken = [(named(deed, kind), kind, deeds[deed]) for deed in deeds for kind in BUILT_IN_CHILD_KINDS]
    for name, _, _ in taken:
        ns.apply(a_service(ns, name))
    for name, kind, metadata in taken:
        ns.wait_ready(name, within=60)
        ns.kubectl("patch", kind.plural, name, "--type=merge", "-p", json.dumps({"metadata": metadata}))
    for name, kind, _ in taken:
        before = untouched(ns, kind, name)
        assert_refused(ns, kind, name, RENAME)
        assert untouched(ns, kind, name) == before
        assert not scales_another(ns, name)
        ns.kubectl("delete", kind.plural, name)
    for name, kind, _ in taken:
        wait_ours(ns, kind, name)
        ns.wait_ready(name, within=60)


def scales_another(ns: NamespaceFixture, name: str) -> bool:
    """Whether an autoscaler of ours targets a Deployment that is not."""
    return is_owned(ns, HORIZONTAL_POD_AUTOSCALER, name) and not is_owned(ns, DEPLOYMENT, name)


def test_terminating_child_is_awaited(ns: NamespaceFixture) -> None:
    """Ours, deleted by somebody, or left of an earlier ModelService of this name: nobody has to act."""
    for kind in BUILT_IN_CHILD_KINDS:
        ours, earlier = named("going", kind), named("earlier", kind)
        reference = {"apiVersion": "modelservice.dev/v1alpha1", "kind": "ModelService", "uid": OTHER_UID}
        owner = reference | {"name": earlier, "controller": True}
        take(ns, kind, earlier, {"ownerReferences": [owner], "labels": LABELS, "finalizers": HOLD})
        ns.apply(a_service(ns, ours))
        ns.wait_ready(ours, within=60)
        ns.kubectl("patch", kind.plural, ours, "--type=merge", "-p", json.dumps({"metadata": {"finalizers": HOLD}}))
        ns.kubectl("delete", kind.plural, ours, "--wait=false")
        ns.apply(a_service(ns, earlier))
        for name in (ours, earlier):
            assert_waited_for(ns, kind, name)


def assert_waited_for(ns: NamespaceFixture, kind: ResourceKind, name: str) -> None:
    def waits() -> bool:
        ready = ns.condition(name)
        return ready.get("reason") == "Retrying" and f"{kind.kind} {name} " in ready["message"]

    ns.wait(waits, "waiting", name=name)
    assert ns.condition(name)["message"].endswith("is being deleted; waiting until it is gone.")
    assert ns.condition(name, "Reconciling")["status"] == "True"
    assert ns.condition(name, "Stalled") == {}
    old = ns.get(kind.plural, name)["metadata"]["uid"]
    release(ns, kind, name)
    # The garbage collector may still have to find out that the earlier owner is gone.
    wait_ours(ns, kind, name)
    assert ns.get(kind.plural, name)["metadata"]["uid"] != old


MARKERS = count()
PROVOCATIONS = 10
THEIRS = 9
GROUP = "admissionregistration.k8s.io/v1"

INJECTED = 'Object.spec.template.spec.containers{name: "proxy", image: "proxy:1"}'
TEMPLATE = "Object{{spec: Object.spec{{template: Object.spec.template{{spec: Object.spec.template.spec{{{}}}}}}}}}"
ENV = "/spec/template/spec/containers/0/env"


def applied(expression: str) -> dict[str, Any]:
    """Return a mutation that merges fields into an object."""
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


LINKS = applied(TEMPLATE.format("enableServiceLinks: true"))
AFFINITY = applied('Object{spec: Object.spec{sessionAffinity: "None"}}')
SIDECAR = applied(TEMPLATE.format(f"containers: [{INJECTED}]"))
REORDERED = {
    "patchType": "JSONPatch",
    "jsonPatch": {"expression": f'[JSONPatch{{op: "move", from: "{ENV}/0", path: "{ENV}/-"}}]'},
}


@contextmanager
def admission(ns: NamespaceFixture, resource: str, name: str, *mutations: dict[str, Any]) -> Iterator[None]:
    """Rewrite one child for the length of a `with` block, as a mutating webhook would."""
    match = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns.namespace}},
        "objectSelector": {"matchLabels": {"app.kubernetes.io/instance": name}},
        "resourceRules": [
            {"apiGroups": ["apps", ""], "apiVersions": ["v1"], "operations": ["*"], "resources": [resource]}
        ],
    }
    policy = {"matchConstraints": match, "mutations": list(mutations), "reinvocationPolicy": "Never"}
    kinds = {"MutatingAdmissionPolicy": policy, "MutatingAdmissionPolicyBinding": {"policyName": name}}
    objects = [{"apiVersion": GROUP, "kind": kind, "metadata": {"name": name}, "spec": kinds[kind]} for kind in kinds]
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    ns.kubectl("create", "-f", "-", stdin=items)
    try:
        ns.wait(lambda: rewrites(ns, resource, name), "admission policy to act", name=name)
        yield
    finally:
        ns.kubectl("delete", "-f", "-", stdin=items)


def rewrites(ns: NamespaceFixture, resource: str, name: str) -> bool:
    """Tell whether the policy is in force: an API server takes it in after a moment."""
    service = model_service().named(name, namespace=ns.namespace).with_spec(service={"sessionAffinity": "ClientIP"})
    [child] = [child for child in build_children(service.parsed()) if child.kind.plural == resource]
    body = json.dumps(child.body)
    answer = json.loads(ns.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=body))
    containers = answer["spec"].get("template", {}).get("spec", {}).get("containers", ())
    return child.first_difference(answer) is not None or len(containers) > 1


def settled(ns: NamespaceFixture, audit: AuditTrail, name: str) -> Counter[str]:
    """Count writes once the object's events have been worked off, told by a later object's being ready."""
    marker = f"{name}-marker-{next(MARKERS)}"
    ns.apply(model_service().named(marker))
    ns.wait_ready(marker)
    return audit.accepted_writes_of(name)


def provoke(ns: NamespaceFixture, kind: str, name: str) -> None:
    """Have the operator look at a child again and again."""
    for number in range(PROVOCATIONS):
        ns.kubectl("annotate", kind, name, f"example.com/provocation={number}", "--overwrite")


async def test_drift_limit_under_a_reverting_controller(ns: NamespaceFixture, audit: AuditTrail) -> None:
    service = model_service().named("after")
    ns.apply(service.autoscaled(max_replicas=3))
    ns.wait_ready("after")
    ns.apply(service.autoscaled(max_replicas=4))  # what our POST set is handed over once
    ns.wait_field("hpa", "after", "maxReplicas", 4)
    before = settled(ns, audit, "after")
    async with (
        ApiClient(ns.cluster.kubeconfig) as api,
        Watcher(api, ns.namespace).watch([HORIZONTAL_POD_AUTOSCALER]) as watched,
    ):
        opponent = asyncio.create_task(rewriting(api, watched, ns.namespace, "after"))
        await asyncio.to_thread(ns.wait, lambda: complaint(ns, "after"), "complaint", name="after")
        assert "spec.maxReplicas of HorizontalPodAutoscaler after is being reverted" in ns.condition("after")["message"]
        await asyncio.to_thread(provoke, ns, "hpa", "after")
        writes = await asyncio.to_thread(settled, ns, audit, "after") - before
        opponent.cancel()
    assert writes.pop(STATUS) <= 2
    assert writes == {"patch horizontalpodautoscalers": MAX_CORRECTIONS}


def complaint(ns: NamespaceFixture, name: str) -> bool:
    return ns.condition(name).get("reason") == "DriftDetected"


async def rewriting(api: ApiClient, watched: Watcher, namespace: str, name: str) -> None:
    """Set the greatest count to ours whenever it is not."""
    path, version = HORIZONTAL_POD_AUTOSCALER.path(namespace=namespace, name=name), 0

    def corrected(body: Object) -> bool:
        return int(body["metadata"]["resourceVersion"]) > version and body["spec"]["maxReplicas"] != THEIRS

    while True:
        await watched.wait(HORIZONTAL_POD_AUTOSCALER, name, corrected, within=600)
        answer = await api.request("PATCH", path, {"spec": {"maxReplicas": THEIRS}}, content_type=MERGE_PATCH)
        version = int(answer["metadata"]["resourceVersion"])


@pytest.mark.parametrize(
    ("kind", "mutation", "field"),
    [
        ("deployment", LINKS, "spec.template.spec.enableServiceLinks"),
        # No controller writes to it, so that nothing but our own writes makes us look again.
        ("service", AFFINITY, "spec.sessionAffinity"),
    ],
)
def test_mutating_webhook_reverting_a_field_is_reported(
    ns: NamespaceFixture, audit: AuditTrail, kind: str, mutation: dict[str, Any], field: str
) -> None:
    name = f"inside-{kind}"
    with admission(ns, f"{kind}s", name, mutation):
        ns.apply(model_service().named(name).with_spec(service={"sessionAffinity": "ClientIP"}))
        ns.wait(lambda: complaint(ns, name), "complaint", name=name)
        assert (
            f"{field} of {kind.capitalize()} {name} is being reverted by another client"
            in ns.condition(name)["message"]
        )
        before = settled(ns, audit, name)
        provoke(ns, kind, name)
        assert settled(ns, audit, name) == before
    assert before.pop(STATUS) <= 3
    # One hand-over of the fields that our POST set.
    assert before == {"create deployments": 1, "create services": 1, f"patch {kind}s": 1 + MAX_CORRECTIONS}


def test_injected_and_reordered_fields_are_kept(ns: NamespaceFixture, audit: AuditTrail) -> None:
    service = model_service().named("mixed").with_spec(replicas=0)
    with admission(ns, "deployments", "mixed", SIDECAR, REORDERED):
        ns.apply(service)
        ns.wait_ready("mixed")
        provoke(ns, "deployment", "mixed")
        writes = settled(ns, audit, "mixed")
        assert writes.pop(STATUS) <= 2
        assert writes == {"create deployments": 1, "create services": 1}
        ns.apply(service.with_spec(env=[{"name": "A", "value": "1"}]))
        ns.wait_ready("mixed")
        provoke(ns, "deployment", "mixed")
        writes = settled(ns, audit, "mixed")
    assert writes["patch deployments"] == 2
    containers = ns.get("deployment", "mixed")["spec"]["template"]["spec"]["containers"]
    assert {container["name"] for container in containers} == {"model", "proxy"}
