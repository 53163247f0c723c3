"""Transforms keep only what is read, and are idempotent."""

import json
from typing import Any

import pytest
from hypothesis import given

from modelservice_operator.controller.transforms import (
    MAX_LOG_CHARS,
    MAX_REPORT_CHARS,
    transform_autoscaler,
    transform_child,
    transform_model_service,
    transform_pod,
    transform_replica_set,
)
from modelservice_operator.resources.metadata import HAS_CO_OWNERS, HAS_UPDATE_FIELDS
from tests.support import snapshot_strategies
from tests.support.pods import CREATED, HASH, new_pod, new_replica_set

Body = dict[str, Any]
MANAGERS = ("modelservice-operator", "argocd")
PODS = {
    "healthy": new_pod(),
    "unschedulable": new_pod().unschedulable("0/1 nodes are available: 1 Insufficient cpu."),
    "gated": new_pod().gated("example.com/quota"),
    "pull": new_pod().waiting("ImagePullBackOff", "Back-off pulling image"),
    "crash": new_pod().crashed(message="Traceback: no module named iris"),
    "crashed just now": new_pod().crashed(waits=False, message="bye"),
    "loader": new_pod().crashed(name="model-loader", init=True),
    "loading": new_pod().container("model-loader", init=True, state={"running": {"startedAt": CREATED}}),
    "evicted": new_pod().in_phase("Failed", reason="Evicted", message="The node was low on resource: memory."),
    "starting": new_pod().running(started=False),
    "unknown state": new_pod().container(state={}),
}


def test_healthy_pod_is_small() -> None:
    transformed = transform_pod(new_pod().body())
    assert transformed == {
        "metadata": {
            "name": f"iris-{HASH}-x2x7k",
            "namespace": "ml",
            "uid": "4a1c1a9e-4b0e-4b0c-9c53-2f3b1a7f0d11",
            "resourceVersion": "123456",
            "creationTimestamp": CREATED,
            "labels": {"app.kubernetes.io/instance": "iris", "pod-template-hash": HASH},
            "ownerReferences": [{"controller": True, "uid": f"aaaaaaaa-0000-0000-0000-00{HASH}"}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }
    assert len(json.dumps(transformed, separators=(",", ":"))) < 500


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_transform_pod_is_idempotent(pod: Any) -> None:
    once = transform_pod(pod.body())
    assert transform_pod(once) == once == json.loads(json.dumps(once))


@pytest.mark.parametrize("loader", ["model-loader", "model-loader-sql"])
def test_address_is_kept_only_while_the_loader_runs(loader: str) -> None:
    states: dict[str, Body] = {"running": {"startedAt": CREATED}, "waiting": {}, "terminated": {"exitCode": 0}}
    pods = {name: new_pod().container(loader, init=True, state={name: state}) for name, state in states.items()}
    kept = {name: transform_pod(pod.body())["status"].get("podIP") for name, pod in pods.items()}
    assert kept == {"running": "198.18.0.9", "waiting": None, "terminated": None}
    assert "podIP" not in transform_pod(new_pod().running(started=True).body())["status"]


@pytest.mark.parametrize("loader", ["model-loader", "model-loader-sql"])
def test_report_of_a_successful_loader_is_kept(loader: str) -> None:
    report = "r" * MAX_REPORT_CHARS
    pod = new_pod().container(loader, init=True, ready=True, state={"terminated": {"exitCode": 0, "message": report}})
    (kept,) = transform_pod(pod.body())["status"]["initContainerStatuses"]
    assert kept["state"]["terminated"]["message"] == report


def test_termination_of_a_crashed_container_is_kept() -> None:
    transformed = transform_pod(new_pod().crashed(message="out of paper").body())
    (container,) = transformed["status"]["containerStatuses"]
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert container["lastState"]["terminated"] == {
        "reason": "Error",
        "finishedAt": "2026-01-02T03:02:00Z",
        "exitCode": 1,
        "message": "out of paper",
    }


def test_scheduling_gates_are_kept() -> None:
    transformed = transform_pod(new_pod().gated("example.com/quota").body())
    assert transformed["spec"] == {"schedulingGates": [{"name": "example.com/quota"}]}


def test_ready_container_keeps_its_last_termination() -> None:
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    pod = new_pod().container(ready=True, started=True, state={"running": {}}, lastState=ended)
    assert transform_pod(pod.body())["status"]["containerStatuses"][0]["lastState"] == ended


def test_long_termination_message_keeps_its_end() -> None:
    message = "x" * 5000 + "the cause"
    for pod in (new_pod().crashed(message=message), new_pod().crashed(waits=False, message=message)):
        (container,) = transform_pod(pod.body())["status"]["containerStatuses"]
        ended = (container.get("lastState") or container["state"])["terminated"]
        assert ended["message"].endswith("the cause")
        assert len(ended["message"]) == MAX_LOG_CHARS


def test_unread_fields_do_not_trigger_events() -> None:
    pod = new_pod()
    busy = pod.body()
    busy["metadata"]["managedFields"] = []
    busy["metadata"]["annotations"] = {"cni": "ready"}
    busy["status"]["conditions"].reverse()
    busy["status"]["conditions"][0]["lastTransitionTime"] = "2026-01-02T04:00:00Z"
    busy["status"]["containerStatuses"][0]["imageID"] = "sha256:abc"
    assert transform_pod(busy) == transform_pod(pod.body())


def test_empty_body_is_transformed() -> None:
    assert transform_pod({}) == transform_replica_set({}) == {"metadata": {}, "status": {}}


def test_replica_set_keeps_revision_and_replica_failure() -> None:
    body = new_replica_set(refused="exceeded quota")
    transformed = transform_replica_set(body)
    assert transformed["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "2"}
    assert transformed["status"]["conditions"] == [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    ]
    assert transform_replica_set(transformed) == transformed
    assert transform_replica_set(body | {"spec": {"replicas": 9}}) == transformed


def autoscaler(target: Body, **metadata: Any) -> Body:
    return {
        "metadata": {"name": "other", "namespace": "ml", "uid": "u", "resourceVersion": "1"} | metadata,
        "spec": {"scaleTargetRef": target, "maxReplicas": 9},
        "status": {"currentReplicas": 3},
    }


DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "iris"}


def test_foreign_autoscaler_keeps_only_its_target() -> None:
    transformed = transform_autoscaler(autoscaler(DEPLOYMENT))
    assert transformed["spec"] == {"scaleTargetRef": DEPLOYMENT}
    assert "status" not in transformed
    assert transform_autoscaler(transformed) == transformed


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {"app.kubernetes.io/managed-by": "modelservice-operator"}},
        {"annotations": {"modelservice.dev/owner-uid": "u"}},
        {"ownerReferences": [{"kind": "ModelService", "uid": "u"}]},
    ],
)
def test_autoscaler_that_may_be_a_child_is_kept_whole(metadata: Body) -> None:
    assert transform_autoscaler(autoscaler(DEPLOYMENT, **metadata))["spec"]["maxReplicas"] == 9


def test_metrics_of_an_own_autoscaler_are_dropped() -> None:
    metadata = {"ownerReferences": [{"kind": "ModelService", "uid": "u"}]}
    body = autoscaler(DEPLOYMENT, **metadata)
    busy = body | {"status": body["status"] | {"currentMetrics": [{"type": "ContainerResource"}]}}
    assert transform_autoscaler(busy) == transform_autoscaler(body)
    assert transform_autoscaler(transform_autoscaler(busy)) == transform_autoscaler(busy)
    new = {name: value for name, value in body.items() if name != "status"}
    assert "status" not in transform_autoscaler(new)


OURS = {
    "manager": "modelservice-operator",
    "operation": "Update",
    "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}},
}
SCALED = OURS | {"subresource": "scale"}
OTHER = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}


@pytest.mark.parametrize(("entries", "posted"), [([OURS], True), ([SCALED, OTHER], False), ([], False)])
def test_child_keeps_one_bit_of_managed_fields(entries: list[Any], posted: bool) -> None:  # noqa: FBT001
    transformed = transform_child({"metadata": {"name": "iris", "managedFields": entries}, "spec": {}})
    assert transformed == {"metadata": {"name": "iris"}, "spec": {}, HAS_UPDATE_FIELDS: posted}
    assert transform_child(transformed) == transformed


def test_child_keeps_whether_another_manager_owns_its_fields() -> None:
    applied = [{"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": {"f:a": {}}}} for manager in MANAGERS]
    transformed = transform_child({"metadata": {"name": "iris", "managedFields": applied}, "spec": {}})
    assert transformed == {"metadata": {"name": "iris"}, "spec": {}, HAS_UPDATE_FIELDS: False, HAS_CO_OWNERS: True}
    assert transform_child(transformed) == transformed


def test_model_service_annotations_are_dropped() -> None:
    transformed = transform_model_service(
        {"metadata": {"name": "iris", "annotations": {"a": "b"}, "managedFields": []}}
    )
    assert transformed == {"metadata": {"name": "iris"}}


@given(snapshot_strategies.PODS)
def test_transform_of_any_pod_is_idempotent(pod: dict[str, Any]) -> None:
    assert transform_pod(transform_pod(pod)) == transform_pod(pod)
