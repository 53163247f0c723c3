"""Objects that the operator does not own are not modified; a field that another client reverts is reported."""

import asyncio
import json
import time
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
    SERVICE,
    ResourceKind,
)
from modelservice_operator.apimachinery.well_known import MANAGED_BY_LABEL
from modelservice_operator.apply.drift_limiter import MAX_CORRECTIONS
from modelservice_operator.resources import build_children
from modelservice_operator.resources.metadata import OWNER_ANNOTATION
from modelservice_operator.settings import FIELD_MANAGER
from modelservice_operator.status.autoscaling import FOREIGN_AUTOSCALER_ADVICE
from tests.environment.audit import STATUS, AuditTrail
from tests.support.api import MERGE_PATCH, ApiClient, Object, Watcher
from tests.support.builders import ModelServiceBuilder, golden, model_service
from tests.support.namespace import NamespaceFixture

OTHER_UID = "99999999-8888-7777-6666-555555555555"
FINALIZERS = ["example.com/hold"]
LABELS = {MANAGED_BY_LABEL: FIELD_MANAGER}
RETRY = 20
"""Seconds: less than the interval of retries. The end of a conflict is noticed when it happens."""


@pytest.fixture(scope="module")
def other_controller(ns: NamespaceFixture) -> dict[str, Any]:
    """A controller reference to another object, which exists: otherwise the garbage collector would act."""
    ns.kubectl("create", "configmap", "controller")
    uid = ns.get("configmap", "controller")["metadata"]["uid"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": "controller", "uid": uid, "controller": True}


def schedulable_service(ns: NamespaceFixture, name: str) -> ModelServiceBuilder:
    """Return a ModelService that has a child of each kind and whose pods can run."""
    blocked = (
        "serviceAccountName",
        "priorityClassName",
        "runtimeClassName",
        "nodeSelector",
        "affinity",
        "mounts",
        "rollout",
        "resourceClaims",
    )
    return golden("everything").named(name, namespace=ns.namespace).without_spec(*blocked)


def create_like_child(ns: NamespaceFixture, kind: ResourceKind, name: str, metadata: dict[str, Any]) -> None:
    """Create an object with the name and spec of a child, but with other metadata."""
    [child] = [child for child in build_children(schedulable_service(ns, name).parsed()) if child.kind is kind]
    body = dict(child.body) | {"metadata": {"name": name} | metadata}
    ns.kubectl("create", "-f", "-", stdin=json.dumps(body))


def stable_fields(ns: NamespaceFixture, kind: ResourceKind, name: str) -> dict[str, Any]:
    """Return the parts of an object that no controller of Kubernetes writes."""
    live: dict[str, Any] = json.loads(ns.kubectl("get", kind.plural, name, "-o", "json", "--show-managed-fields"))
    metadata = live["metadata"]
    managers = [entry for entry in metadata.pop("managedFields") if not entry.get("subresource")]
    if "status" in live:
        metadata.pop("resourceVersion")
        metadata.get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    return {
        "metadata": metadata,
        "spec": live["spec"],
        "managed by the operator": FIELD_MANAGER in {it["manager"] for it in managers},
    }


def has_name_conflict(ns: NamespaceFixture, name: str) -> bool:
    return bool(ns.condition(name).get("reason") == "NameConflict")


def is_owned(ns: NamespaceFixture, kind: ResourceKind, name: str) -> bool:
    """Return True if the child has an owner reference to the ModelService."""
    live, uid = ns.get(kind.plural, name), ns.get_model_service(name)["metadata"]["uid"]
    return live is not None and uid in [owner["uid"] for owner in live["metadata"].get("ownerReferences", ())]


def is_reconciled(ns: NamespaceFixture, kind: ResourceKind, name: str) -> bool:
    """Return True if the child is owned by the ModelService and the status reports no conflict."""
    return is_owned(ns, kind, name) and not has_name_conflict(ns, name) and not ns.condition(name, "Stalled")


def hint_for(ns: NamespaceFixture, kind: ResourceKind, name: str, *, controlled: bool) -> str:
    """Return the advice for an object of another owner, or without an owner."""
    rename = "set service.name to another name" if kind is SERVICE else "give the ModelService another name"
    if kind is HORIZONTAL_POD_AUTOSCALER:
        return FOREIGN_AUTOSCALER_ADVICE
    if controlled:
        return f"It belongs to ConfigMap controller: {rename}."
    command = f"kubectl annotate -n {ns.namespace} {kind.kind.lower()}/{name} modelservice.dev/adopt-by={name}"
    return f"To have it adopted, run {command}. Otherwise {rename}."


def assert_name_conflict(ns: NamespaceFixture, kind: ResourceKind, name: str, *, controlled: bool) -> None:
    ns.wait(lambda: has_name_conflict(ns, name), "name conflict", name=name)
    expected = f"{kind.kind} {name} already exists and is not managed by this ModelService; it was not modified."
    assert ns.condition(name)["message"] == f"{expected} {hint_for(ns, kind, name, controlled=controlled)}"
    assert ns.condition(name, "Stalled")["reason"] == "NameConflict"
    assert ns.condition(name, "Reconciling") == {}


def test_name_conflict_before_creation_is_reported(
    ns: NamespaceFixture, other_controller: dict[str, Any], audit: AuditTrail
) -> None:
    """An object without owner, of another controller, and one that may be an orphan but lacks a mark."""
    cases: dict[str, dict[str, Any]] = {
        "ownerless": {},
        "other": {"ownerReferences": [other_controller], "labels": LABELS},
        "unsure": {"annotations": {OWNER_ANNOTATION: OTHER_UID}, "labels": LABELS},
    }
    conflicts = [(object_name(case, kind), kind, cases[case]) for case in cases for kind in BUILT_IN_CHILD_KINDS]
    for name, kind, metadata in conflicts:
        create_like_child(ns, kind, name, metadata)
    before = {name: stable_fields(ns, kind, name) for name, kind, _ in conflicts}
    for name, _, _ in conflicts:
        ns.apply(schedulable_service(ns, name))
    for name, kind, metadata in conflicts:
        assert_name_conflict(ns, kind, name, controlled="ownerReferences" in metadata)
        assert stable_fields(ns, kind, name) == before[name]
        assert_only_other_children_written(audit, kind, name)
    for name, kind, _ in conflicts:
        ns.kubectl("delete", kind.plural, name)
        wait_reconciled(ns, kind, name)


def object_name(case: str, kind: ResourceKind) -> str:
    return f"{case}-{kind.kind.lower()[:8]}"


def remove_finalizers(ns: NamespaceFixture, kind: ResourceKind, name: str) -> None:
    """Remove the finalizer that blocks the deletion of an object."""
    ns.kubectl("patch", kind.plural, name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')


def wait_reconciled(ns: NamespaceFixture, kind: ResourceKind, name: str) -> None:
    ns.wait(lambda: is_reconciled(ns, kind, name), f"{kind.kind} owned by the ModelService", within=RETRY, name=name)


def assert_only_other_children_written(audit: AuditTrail, kind: ResourceKind, name: str) -> None:
    """Assert that each other child was created once, and the status written once unless a rollout changes it."""
    writes = audit.accepted_writes_of(name)
    statuses = writes.pop(STATUS)
    assert statuses == 1 or kind is not DEPLOYMENT
    # No autoscaler is created for a Deployment of another owner, because it would scale that Deployment.
    missing = {DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER} if kind is DEPLOYMENT else {kind}
    assert writes == {f"create {other.plural}": 1 for other in BUILT_IN_CHILD_KINDS if other not in missing}


def test_name_conflict_after_creation_is_reported(ns: NamespaceFixture, other_controller: dict[str, Any]) -> None:
    """Another controller takes over a child, or a user removes every label, annotation and owner reference."""
    stripped = {"ownerReferences": None, "labels": None, "annotations": None}
    changes: dict[str, dict[str, Any]] = {"moved": {"ownerReferences": [other_controller]}, "stripped": stripped}
    conflicts = [
        (object_name(change, kind), kind, changes[change]) for change in changes for kind in BUILT_IN_CHILD_KINDS
    ]
    for name, _, _ in conflicts:
        ns.apply(schedulable_service(ns, name))
    for name, kind, metadata in conflicts:
        ns.wait_ready(name, within=60)
        ns.kubectl("patch", kind.plural, name, "--type=merge", "-p", json.dumps({"metadata": metadata}))
    for name, kind, metadata in conflicts:
        before = stable_fields(ns, kind, name)
        assert_name_conflict(ns, kind, name, controlled=bool(metadata["ownerReferences"]))
        assert stable_fields(ns, kind, name) == before
        assert not scales_foreign_deployment(ns, name)
        ns.kubectl("delete", kind.plural, name)
        wait_reconciled(ns, kind, name)
    for name, _, _ in conflicts:
        ns.wait_ready(name, within=60)


def scales_foreign_deployment(ns: NamespaceFixture, name: str) -> bool:
    """Return True if an autoscaler of the ModelService targets a Deployment that the ModelService does not own."""
    return is_owned(ns, HORIZONTAL_POD_AUTOSCALER, name) and not is_owned(ns, DEPLOYMENT, name)


def test_terminating_child_is_awaited(ns: NamespaceFixture) -> None:
    """An object that a user deletes, or one of an earlier ModelService of this name: no user action is needed."""
    for kind in BUILT_IN_CHILD_KINDS:
        deleted, earlier, foreign = (object_name(case, kind) for case in ("deleted", "earlier", "foreign"))
        create_like_child(ns, kind, foreign, {"finalizers": FINALIZERS})
        ns.kubectl("delete", kind.plural, foreign, "--wait=false")
        reference = {"apiVersion": "modelservice.dev/v1alpha1", "kind": "ModelService", "uid": OTHER_UID}
        owner = reference | {"name": earlier, "controller": True}
        create_like_child(ns, kind, earlier, {"ownerReferences": [owner], "labels": LABELS, "finalizers": FINALIZERS})
        ns.apply(schedulable_service(ns, deleted))
        ns.wait_ready(deleted, within=60)
        ns.kubectl(
            "patch",
            kind.plural,
            deleted,
            "--type=merge",
            "-p",
            json.dumps({"metadata": {"finalizers": FINALIZERS}}),
        )
        ns.kubectl("delete", kind.plural, deleted, "--wait=false")
        for name in (earlier, foreign):
            ns.apply(schedulable_service(ns, name))
        for name in (deleted, earlier, foreign):
            assert_deletion_is_awaited(ns, kind, name)


def assert_deletion_is_awaited(ns: NamespaceFixture, kind: ResourceKind, name: str) -> None:
    def is_waiting() -> bool:
        ready = ns.condition(name)
        return ready.get("reason") == "Retrying" and f"{kind.kind} {name} " in ready["message"]

    ns.wait(is_waiting, "waiting", name=name)
    assert ns.condition(name)["message"].endswith("is being deleted; waiting until it is gone.")
    assert ns.condition(name, "Reconciling")["status"] == "True"
    assert ns.condition(name, "Stalled") == {}
    old = ns.get(kind.plural, name)["metadata"]["uid"]
    remove_finalizers(ns, kind, name)
    # The garbage collector may still have to notice that the earlier owner does not exist.
    wait_reconciled(ns, kind, name)
    assert ns.get(kind.plural, name)["metadata"]["uid"] != old


MARKERS = count()
ANNOTATION_CHANGES = 10
OTHER_MAX_REPLICAS = 9
GROUP = "admissionregistration.k8s.io/v1"

INJECTED_CONTAINER = 'Object.spec.template.spec.containers{name: "proxy", image: "proxy:1"}'
TEMPLATE = "Object{{spec: Object.spec{{template: Object.spec.template{{spec: Object.spec.template.spec{{{}}}}}}}}}"
ENV = "/spec/template/spec/containers/0/env"


def apply_configuration(expression: str) -> dict[str, Any]:
    """Return a mutation that merges fields into an object (server-side apply)."""
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


SET_SERVICE_LINKS = apply_configuration(TEMPLATE.format("enableServiceLinks: true"))
SET_SESSION_AFFINITY = apply_configuration('Object{spec: Object.spec{sessionAffinity: "None"}}')
ADD_SIDECAR = apply_configuration(TEMPLATE.format(f"containers: [{INJECTED_CONTAINER}]"))
REORDER_ENV = {
    "patchType": "JSONPatch",
    "jsonPatch": {"expression": f'[JSONPatch{{op: "move", from: "{ENV}/0", path: "{ENV}/-"}}]'},
}


@contextmanager
def mutating_policy(ns: NamespaceFixture, resource: str, name: str, *mutations: dict[str, Any]) -> Iterator[None]:
    """Change one child in admission for the length of a `with` block, as a mutating webhook does."""
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
        ns.wait(lambda: is_rewritten(ns, resource, name), "effect of the admission policy", name=name)
        yield
    finally:
        ns.kubectl("delete", "-f", "-", stdin=items)


def is_rewritten(ns: NamespaceFixture, resource: str, name: str) -> bool:
    """Return True once the policy is in force: the API server applies a new one after a delay."""
    service = model_service().named(name, namespace=ns.namespace).with_spec(service={"sessionAffinity": "ClientIP"})
    [child] = [child for child in build_children(service.parsed()) if child.kind.plural == resource]
    body = json.dumps(child.body)
    answer = json.loads(ns.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=body))
    containers = answer["spec"].get("template", {}).get("spec", {}).get("containers", ())
    return child.first_difference(answer) is not None or len(containers) > 1


def writes_when_idle(ns: NamespaceFixture, audit: AuditTrail, name: str) -> Counter[str]:
    """Return the write counts after the operator has processed all changes: a later object is ready by then."""
    marker = f"{name}-marker-{next(MARKERS)}"
    ns.apply(model_service().named(marker))
    ns.wait_ready(marker)
    return audit.accepted_writes_of(name)


def annotate_repeatedly(ns: NamespaceFixture, kind: str, name: str) -> None:
    """Change an annotation of a child repeatedly, so that the operator reconciles it each time."""
    for number in range(ANNOTATION_CHANGES):
        ns.kubectl("annotate", kind, name, f"example.com/provocation={number}", "--overwrite")


async def test_drift_limit_under_a_reverting_controller(ns: NamespaceFixture, audit: AuditTrail) -> None:
    service = model_service().named("after")
    ns.apply(service.autoscaled(max_replicas=3))
    ns.wait_ready("after")
    ns.apply(service.autoscaled(max_replicas=4))  # managed fields of the POST are upgraded once
    ns.wait_field("hpa", "after", "maxReplicas", 4)
    before, since = writes_when_idle(ns, audit, "after"), time.time()
    async with (
        ApiClient(ns.cluster.kubeconfig) as api,
        Watcher(api, ns.namespace).watch([HORIZONTAL_POD_AUTOSCALER]) as watcher,
    ):
        reverting_client = asyncio.create_task(revert_repeatedly(api, watcher, ns.namespace, "after"))
        await asyncio.to_thread(ns.wait, lambda: is_drift_reported(ns, "after"), "complaint", name="after")
        assert "spec.maxReplicas of HorizontalPodAutoscaler after is being reverted" in ns.condition("after")["message"]
        await asyncio.to_thread(annotate_repeatedly, ns, "hpa", "after")
        writes = await asyncio.to_thread(writes_when_idle, ns, audit, "after") - before
        reverting_client.cancel()
    del writes[STATUS]
    assert audit.status_writes_of("after", since=since).problems(at_most=2) == []
    assert writes == {"patch horizontalpodautoscalers": MAX_CORRECTIONS}


def is_drift_reported(ns: NamespaceFixture, name: str) -> bool:
    return ns.condition(name).get("reason") == "DriftDetected"


def is_every_pod_reported(ns: NamespaceFixture, name: str) -> bool:
    """Return True once the status has the last news of a rollout; until then it is still to be written."""
    status = ns.get_model_service(name)["status"]
    return bool(status.get("readyReplicas") == status.get("desiredReplicas"))


async def revert_repeatedly(api: ApiClient, watcher: Watcher, namespace: str, name: str) -> None:
    """Set maxReplicas to another value each time that the operator corrects it."""
    path, version = HORIZONTAL_POD_AUTOSCALER.path(namespace=namespace, name=name), 0

    def was_corrected(body: Object) -> bool:
        return int(body["metadata"]["resourceVersion"]) > version and body["spec"]["maxReplicas"] != OTHER_MAX_REPLICAS

    while True:
        await watcher.wait(HORIZONTAL_POD_AUTOSCALER, name, was_corrected, within=600)
        answer = await api.request(
            "PATCH", path, {"spec": {"maxReplicas": OTHER_MAX_REPLICAS}}, content_type=MERGE_PATCH
        )
        version = int(answer["metadata"]["resourceVersion"])


@pytest.mark.parametrize(
    ("kind", "mutation", "field"),
    [
        ("deployment", SET_SERVICE_LINKS, "spec.template.spec.enableServiceLinks"),
        # No controller writes to it: only the operator's own writes cause another reconcile.
        ("service", SET_SESSION_AFFINITY, "spec.sessionAffinity"),
    ],
)
def test_mutating_webhook_reverting_a_field_is_reported(
    ns: NamespaceFixture, audit: AuditTrail, kind: str, mutation: dict[str, Any], field: str
) -> None:
    name = f"inside-{kind}"
    with mutating_policy(ns, f"{kind}s", name, mutation):
        ns.apply(model_service().named(name).with_spec(service={"sessionAffinity": "ClientIP"}))
        ns.wait(lambda: is_drift_reported(ns, name), "complaint", name=name)
        assert (
            f"{field} of {kind.capitalize()} {name} is being reverted by another client"
            in ns.condition(name)["message"]
        )
        ns.wait(lambda: is_every_pod_reported(ns, name), "report of the pod", name=name)
        before = writes_when_idle(ns, audit, name)
        annotate_repeatedly(ns, kind, name)
        assert writes_when_idle(ns, audit, name) == before
    del before[STATUS]
    assert audit.status_writes_of(name).problems(at_most=3) == []
    # The first patch upgrades the managed fields of the POST.
    assert before == {"create deployments": 1, "create services": 1, f"patch {kind}s": 1 + MAX_CORRECTIONS}


def test_injected_and_reordered_fields_are_kept(ns: NamespaceFixture, audit: AuditTrail) -> None:
    service = model_service().named("mixed").with_spec(replicas=0)
    with mutating_policy(ns, "deployments", "mixed", ADD_SIDECAR, REORDER_ENV):
        ns.apply(service)
        ns.wait_ready("mixed")
        annotate_repeatedly(ns, "deployment", "mixed")
        writes = writes_when_idle(ns, audit, "mixed")
        del writes[STATUS]
        assert audit.status_writes_of("mixed").problems(at_most=2) == []
        assert writes == {"create deployments": 1, "create services": 1}
        ns.apply(service.with_spec(env=[{"name": "A", "value": "1"}]))
        ns.wait_ready("mixed")
        annotate_repeatedly(ns, "deployment", "mixed")
        writes = writes_when_idle(ns, audit, "mixed")
    assert writes["patch deployments"] == 2
    containers = ns.get("deployment", "mixed")["spec"]["template"]["spec"]["containers"]
    assert {container["name"] for container in containers} == {"model", "proxy"}
