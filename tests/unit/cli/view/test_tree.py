import re
from typing import Any

import pytest

from modelservice_cli.view.tree import Node, build_tree, progress_text, render_tree
from tests.support.families import IRIS, NOW, deployment, family, replica_set, service_body, with_computed_status
from tests.support.pods import OLD_HASH, PodBuilder, new_pod, new_replica_set


def tree(*pods: PodBuilder, service: dict[str, Any] | None = None, **fields: Any) -> str:
    service = service or with_computed_status(*pods)
    return render_tree(build_tree(family(service, pods, **fields), NOW))


def test_tree_of_a_failing_service_has_cause_revisions_and_pods() -> None:
    pod = new_pod().crashed(message="Traceback\nMemoryError: 2 GiB", exitCode=137, reason="OOMKilled")
    text = tree(pod, service=with_computed_status(pod))
    lines = text.splitlines()
    assert lines[0].startswith("ModelService ml/iris  Ready=False, OOMKilled, ")
    assert re.search(r"cause +OOMKilled.*: The only pod: container model was killed", text)
    assert re.search(r"last log line +container model of pod \S+, OOMKilled \(137\)", text)
    assert "├─ Deployment iris  0 of 2 available" in text
    assert re.search(r"Revision 2 iris-\S+  current, 0 of 2 pods ready", text)
    assert re.search(r"Pod iris-\S+  CrashLoopBackOff, 0/1 ready, 7 restarts", text)
    assert "model: OOMKilled (137), 8m ago: MemoryError: 2 GiB" in text
    assert re.search(r"Service iris +does not exist", text)


def test_earlier_revision_is_shown_while_it_has_pods() -> None:
    old = new_replica_set(OLD_HASH, number=1)
    text = tree(new_pod(), new_pod().of_revision(OLD_HASH), replica_sets=(old, replica_set()))
    assert text.index("Revision 2") < text.index("Revision 1")
    assert "earlier, 0 of 2 pods ready" in text
    gone = old | {"spec": {"replicas": 0}, "status": {"replicas": 0}}
    assert "Revision 1" not in tree(new_pod(), replica_sets=(gone, replica_set()))


def test_refused_pods_are_the_note_of_the_revision() -> None:
    text = tree(replica_sets=(replica_set(refused="exceeded quota: pods"),))
    assert "exceeded quota: pods" in text


def test_ready_pod_has_no_note() -> None:
    node = build_tree(family(with_computed_status(new_pod()), [new_pod()]), NOW)
    [pod] = node.children[0].children[0].children
    assert pod.notes == ()
    assert pod.state == "Running, 1/1 ready, 10m"


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        ({}, ""),
        ({"loadedBytes": 3_221_225_472}, "(3.2 GB)"),
        (
            {"loadedBytes": 3_221_225_472, "totalBytes": 10_737_418_240, "percent": 30, "secondsLeft": 41},
            "30 % (3.2 GB of 10.7 GB, 41s left)",
        ),
    ],
    ids=["none", "unknown size", "whole"],
)
def test_progress_of_a_loader(progress: dict[str, Any], text: str) -> None:
    assert progress_text(progress) == text


def test_extra_models_and_progress_are_notes() -> None:
    service = service_body(
        IRIS,
        model={
            "uri": "s3://a/b",
            "state": "Loading",
            "progress": {"loadedBytes": 1000, "totalBytes": 2000, "percent": 50},
            "extra": [{"name": "sql", "uri": "s3://c", "state": "Failed", "reason": "AccessDenied"}],
        },
    )
    text = tree(service=service)
    assert "s3://a/b  Loading  50 % (1.0 kB of 2.0 kB)" in text
    assert re.search(r"model sql +s3://c  Failed  AccessDenied", text)


def test_autoscaler_shows_metrics_and_limits() -> None:
    autoscaler = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "iris"},
        "spec": {
            "minReplicas": 2,
            "maxReplicas": 5,
            "metrics": [{"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "model",
                         "target": {"type": "Utilization", "averageUtilization": 80}}}],
        },
        "status": {
            "currentReplicas": 5,
            "desiredReplicas": 5,
            "currentMetrics": [{"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "model",
                                "current": {"averageUtilization": 91, "averageValue": "455m"}}}],
            "conditions": [
                {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"},
                {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"},
            ],
        },
    }  # fmt: skip
    text = tree(children=[deployment(), autoscaler])
    assert "2 to 5 replicas, now 5, wants 5, cpu 91%/80%, ScalingLimited=True (TooManyReplicas)" in text
    assert "ScalingActive" not in text


def test_kinds_that_may_not_be_read_are_named() -> None:
    service = with_computed_status()
    text = tree(service=service, unreadable=("Service",))
    assert "you may not read: Service" in text
    assert "does not exist" not in text


def test_text_of_pods_cannot_control_the_terminal() -> None:
    pod = new_pod().waiting("ErrImagePull", "\x1b]0;owned\x07 pull\u202efailed")
    text = tree(pod)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text


def test_tree_as_json_has_the_same_nodes() -> None:
    node = build_tree(family(with_computed_status(new_pod()), [new_pod()]), NOW)
    assert node.to_json()["kind"] == "ModelService"
    assert count(node) == count_json(node.to_json())


def count(node: Node) -> int:
    return 1 + sum(count(child) for child in node.children)


def count_json(body: dict[str, Any]) -> int:
    return 1 + sum(count_json(child) for child in body.get("children", ()))
