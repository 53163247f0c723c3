"""What the caches keep: only what is read, and reducing twice is reducing once."""

import json
from typing import Any

import pytest

from modelservice_operator.controller.mappers import map_autoscaler, map_by_instance_label
from modelservice_operator.controller.transforms import (
    MAX_TEXT_CHARS,
    transform_autoscaler,
    transform_pod,
    transform_replica_set,
)
from tests.support.pods import CREATED, HASH, new_pod, new_replica_set

Body = dict[str, Any]
PODS = {
    "healthy": new_pod(),
    "unschedulable": new_pod().unschedulable("0/1 nodes are available: 1 Insufficient cpu."),
    "pull": new_pod().waiting("ImagePullBackOff", "Back-off pulling image"),
    "crash": new_pod().crashed(message="Traceback: no module named iris"),
    "crashed just now": new_pod().crashed(waits=False, message="bye"),
    "loader": new_pod().crashed(name="model-loader", init=True),
    "evicted": new_pod().in_phase("Failed", reason="Evicted", message="The node was low on resource: memory."),
    "starting": new_pod().running(started=False),
    "unknown state": new_pod().container(state={}),
}


def test_a_healthy_pod_is_small() -> None:
    reduced = transform_pod(new_pod().body())
    assert reduced == {
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
    assert len(json.dumps(reduced, separators=(",", ":"))) < 500


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_reducing_twice_changes_nothing(pod: Any) -> None:
    once = transform_pod(pod.body())
    assert transform_pod(once) == once == json.loads(json.dumps(once))


def test_what_a_crash_says_is_kept() -> None:
    reduced = transform_pod(new_pod().crashed(message="out of paper").body())
    (container,) = reduced["status"]["containerStatuses"]
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert container["lastState"]["terminated"] == {
        "reason": "Error",
        "finishedAt": "2026-01-02T03:02:00Z",
        "exitCode": 1,
        "message": "out of paper",
    }


def test_a_container_that_ended_before_is_kept_though_it_is_ready() -> None:
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    pod = new_pod().container(ready=True, started=True, state={"running": {}}, lastState=ended)
    assert transform_pod(pod.body())["status"]["containerStatuses"][0]["lastState"] == ended


def test_of_the_last_words_the_end_is_kept() -> None:
    message = "x" * 5000 + "the cause"
    for pod in (new_pod().crashed(message=message), new_pod().crashed(waits=False, message=message)):
        (container,) = transform_pod(pod.body())["status"]["containerStatuses"]
        ended = (container.get("lastState") or container["state"])["terminated"]
        assert ended["message"].endswith("the cause")
        assert len(ended["message"]) == MAX_TEXT_CHARS


def test_what_nobody_reads_is_no_change() -> None:
    pod = new_pod()
    busy = pod.body()
    busy["metadata"]["managedFields"] = []
    busy["metadata"]["annotations"] = {"cni": "ready"}
    busy["status"]["conditions"].reverse()
    busy["status"]["conditions"][0]["lastTransitionTime"] = "2026-01-02T04:00:00Z"
    busy["status"]["containerStatuses"][0]["imageID"] = "sha256:abc"
    assert transform_pod(busy) == transform_pod(pod.body())


def test_an_empty_body_is_reduced_too() -> None:
    assert transform_pod({}) == transform_replica_set({}) == {"metadata": {}, "status": {}}


def test_a_replica_set_tells_its_revision_and_why_it_creates_no_pods() -> None:
    body = new_replica_set(refused="exceeded quota")
    reduced = transform_replica_set(body)
    assert reduced["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "2"}
    assert reduced["status"]["conditions"] == [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    ]
    assert transform_replica_set(reduced) == reduced
    assert transform_replica_set(body | {"spec": {"replicas": 9}}) == reduced


def an_autoscaler(target: Body, **metadata: Any) -> Body:
    return {
        "metadata": {"name": "hand-made", "namespace": "ml", "uid": "u", "resourceVersion": "1"} | metadata,
        "spec": {"scaleTargetRef": target, "maxReplicas": 9},
        "status": {"currentReplicas": 3},
    }


DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "iris"}


def test_of_somebody_else_s_autoscaler_only_what_it_scales_is_kept() -> None:
    reduced = transform_autoscaler(an_autoscaler(DEPLOYMENT))
    assert reduced["spec"] == {"scaleTargetRef": DEPLOYMENT}
    assert "status" not in reduced
    assert transform_autoscaler(reduced) == reduced


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {"app.kubernetes.io/managed-by": "modelservice-operator"}},
        {"annotations": {"modelservice.dev/owner-uid": "u"}},
        {"ownerReferences": [{"kind": "ModelService", "uid": "u"}]},
    ],
)
def test_an_autoscaler_that_may_be_ours_is_kept_whole(metadata: Body) -> None:
    assert transform_autoscaler(an_autoscaler(DEPLOYMENT, **metadata))["spec"]["maxReplicas"] == 9


def test_the_figures_of_an_autoscaler_of_ours_are_no_change() -> None:
    metadata = {"ownerReferences": [{"kind": "ModelService", "uid": "u"}]}
    body = an_autoscaler(DEPLOYMENT, **metadata)
    busy = body | {"status": body["status"] | {"currentMetrics": [{"type": "ContainerResource"}]}}
    assert transform_autoscaler(busy) == transform_autoscaler(body)
    assert transform_autoscaler(transform_autoscaler(busy)) == transform_autoscaler(busy)
    new = {name: value for name, value in body.items() if name != "status"}
    assert "status" not in transform_autoscaler(new)


def test_an_autoscaler_concerns_its_namesake_and_whose_deployment_it_scales() -> None:
    assert map_autoscaler(an_autoscaler(DEPLOYMENT)) == (("ml", "hand-made"), ("ml", "iris"))
    assert map_autoscaler(an_autoscaler(DEPLOYMENT, name="iris")) == (("ml", "iris"),)
    assert map_autoscaler(an_autoscaler({"kind": "StatefulSet", "name": "iris"})) == (("ml", "hand-made"),)


def test_a_pod_concerns_the_service_that_its_label_names() -> None:
    assert map_by_instance_label(transform_pod(new_pod().body())) == (("ml", "iris"),)
    assert map_by_instance_label({"metadata": {"name": "x"}}) == (("", ""),)
