"""What the caches keep: only what is read, and reducing twice is reducing once."""

import json
from typing import Any

import pytest

from modelservice_operator.reductions import (
    autoscaler_concerns,
    instance_concerns,
    reduce_autoscaler,
    reduce_pod,
    reduce_replica_set,
)

Body = dict[str, Any]
LABELS = {"app.kubernetes.io/instance": "iris", "pod-template-hash": "5d8f", "app": "other"}


def a_pod(**status: Any) -> Body:
    metadata = {
        "name": "iris-5d8f-x",
        "namespace": "ml",
        "resourceVersion": "7",
        "labels": LABELS,
        "managedFields": [{}],
    }
    return {"metadata": metadata, "spec": {"containers": [{"name": "model", "image": "x" * 999}]}, "status": status}


HEALTHY = a_pod(
    phase="Running",
    startTime="2026-01-01T00:00:00Z",
    podIP="10.0.0.1",
    conditions=[
        {"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "lastProbeTime": None}
        for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ],
    containerStatuses=[
        {
            "name": "model",
            "ready": True,
            "started": True,
            "restartCount": 3,
            "image": "i",
            "imageID": "i@sha",
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z"}},
        }
    ],
)


def test_a_healthy_pod_is_small() -> None:
    reduced = reduce_pod(HEALTHY)
    assert reduced == {
        "metadata": {
            "name": "iris-5d8f-x",
            "namespace": "ml",
            "resourceVersion": "7",
            "labels": {"app.kubernetes.io/instance": "iris", "pod-template-hash": "5d8f"},
        },
        "status": {
            "phase": "Running",
            "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {
                    "name": "model",
                    "ready": True,
                    "started": True,
                    "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
                }
            ],
        },
    }
    assert reduce_pod(reduced) == reduced
    assert len(json.dumps(reduced)) < 500


def test_of_long_last_words_the_end_is_kept() -> None:
    words = "start " + "x" * 5000 + " the end"
    state = {"terminated": {"exitCode": 1, "message": words}}
    reduced = reduce_pod(a_pod(containerStatuses=[{"name": "model", "state": state}]))
    kept = reduced["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
    assert len(kept) == 1024
    assert kept.startswith("…x")
    assert kept.endswith(" the end")
    assert reduce_pod(reduced) == reduced


def test_a_condition_that_is_not_met_keeps_its_words() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no"}
    reduced = reduce_pod(a_pod(conditions=[condition | {"lastTransitionTime": "now"}]))
    assert reduced["status"]["conditions"] == [condition]


def test_a_replica_set_keeps_its_revision() -> None:
    annotations = {"deployment.kubernetes.io/revision": "4", "other": "x"}
    metadata = {"name": "iris-5d8f", "namespace": "ml", "labels": LABELS, "annotations": annotations}
    reduced = reduce_replica_set({"metadata": metadata, "spec": {"replicas": 3}, "status": {"replicas": 3}})
    assert reduced["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "4"}
    assert "status" not in reduced
    assert reduce_replica_set(reduced) == reduced


def an_autoscaler(target: Body, **metadata: Any) -> Body:
    return {
        "metadata": {"name": "hand-made", "namespace": "ml", "uid": "u", "resourceVersion": "1"} | metadata,
        "spec": {"scaleTargetRef": target, "maxReplicas": 9},
        "status": {"currentReplicas": 3},
    }


DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "iris"}


def test_of_somebody_else_s_autoscaler_only_what_it_scales_is_kept() -> None:
    reduced = reduce_autoscaler(an_autoscaler(DEPLOYMENT))
    assert reduced["spec"] == {"scaleTargetRef": DEPLOYMENT}
    assert "status" not in reduced
    assert reduce_autoscaler(reduced) == reduced


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {"app.kubernetes.io/managed-by": "modelservice-operator"}},
        {"annotations": {"modelservice.dev/owner-uid": "u"}},
        {"ownerReferences": [{"kind": "ModelService", "uid": "u"}]},
    ],
)
def test_an_autoscaler_that_may_be_ours_is_kept_whole(metadata: Body) -> None:
    assert reduce_autoscaler(an_autoscaler(DEPLOYMENT, **metadata))["spec"]["maxReplicas"] == 9


def test_an_autoscaler_concerns_its_namesake_and_whose_deployment_it_scales() -> None:
    assert autoscaler_concerns(an_autoscaler(DEPLOYMENT)) == (("ml", "hand-made"), ("ml", "iris"))
    assert autoscaler_concerns(an_autoscaler(DEPLOYMENT, name="iris")) == (("ml", "iris"),)
    assert autoscaler_concerns(an_autoscaler({"kind": "StatefulSet", "name": "iris"})) == (("ml", "hand-made"),)


def test_a_pod_concerns_the_service_that_its_label_names() -> None:
    assert instance_concerns(HEALTHY) == (("ml", "iris"),)
    assert instance_concerns({"metadata": {"name": "x"}}) == (("", ""),)
