from typing import Any

import pytest

from modelservice_cli.output import Style
from modelservice_cli.view import listing
from modelservice_cli.view.conditions import problems
from tests.environment.runbook import recorded
from tests.support.builders import golden, golden_files
from tests.support.families import IRIS, NOW, service_body, with_computed_status, with_condition
from tests.support.pods import new_pod
from tests.support.snapshots import deployment_status


def row(service: dict[str, Any], *, wide: bool = False) -> dict[str, str]:
    cells = listing.row(service, NOW, wide=wide, all_namespaces=True)
    return dict(zip(listing.columns(wide=wide, all_namespaces=True), cells, strict=True))


@pytest.mark.parametrize("name", [path.stem for path in golden_files()])
def test_golden_service_has_a_row(name: str) -> None:
    service = with_computed_status(service=golden(name))
    found = row(service, wide=True)
    assert found["name"] == name
    assert found["ready"] in {"True", "False"}
    ready = next(one for one in service["status"]["conditions"] if one["type"] == "Ready")
    assert found["reason"].split(",")[0] == ready["reason"]


def test_ready_service() -> None:
    service = with_computed_status(new_pod(), new_pod().named("b"), rollout=deployment_status())
    assert row(service) == {
        "namespace": "ml",
        "name": "iris",
        "ready": "True",
        "reason": "RolloutComplete",
        "replicas": "2/2",
        "age": "10m",
    }
    assert listing.style_of(service) is Style.GOOD


@pytest.mark.parametrize("name", sorted(recorded()))
def test_reported_failure_is_the_reason(name: str) -> None:
    said = recorded()[name]
    service = with_condition(said.condition, "False", said.reason, said.message)
    text = row(service, wide=True)
    expected = said.reason if said.condition == "Ready" else f"{said.condition}={said.reason}"
    assert text["reason"] == expected
    assert text["message"][:50] == said.message[:50]
    assert len(text["message"]) <= 160


def test_unobserved_change_is_unknown() -> None:
    service = with_condition("Ready", "True", "RolloutComplete", "All are available.")
    service["metadata"]["generation"] += 1
    assert row(service)["ready"] == "Unknown"
    assert row(service)["reason"] == "NotObserved"


def test_service_without_a_status() -> None:
    service = service_body()
    del service["status"]
    assert row(service, wide=True)["reason"] == "NotObserved"
    assert row(service)["replicas"] == "0/?"


def test_autoscaler_that_cannot_scale_is_listed_beside_ready() -> None:
    service = with_condition("Ready", "True", "RolloutComplete", "All are available.")
    service["status"]["conditions"].append(
        {"type": "AutoscalerReady", "status": "False", "reason": "FailedGetResourceMetric", "message": "No metrics."}
    )
    assert row(service)["reason"] == "RolloutComplete, AutoscalerReady=FailedGetResourceMetric"
    assert listing.style_of(service) is Style.WARNING


def test_progress_of_a_load_is_a_column() -> None:
    service = service_body(IRIS, model={"uri": "s3://a/b", "progress": {"loadedBytes": 3, "percent": 30}})
    found = row(service, wide=True)
    assert (found["model"], found["loading"]) == ("s3://a/b", "30%")


def test_stalled_rollout_shows_the_cause_of_ready() -> None:
    service = with_condition("Ready", "False", "ImagePull", "The image cannot be pulled.")
    service["status"]["conditions"].append(
        {"type": "Stalled", "status": "True", "reason": "ProgressDeadlineExceeded", "message": "Too long."}
    )
    assert [one.reason for one in problems(service)] == ["ImagePull"]


def test_stalled_service_is_reported_once() -> None:
    service = with_condition("Ready", "False", "NameConflict", "Service iris exists.")
    service["status"]["conditions"].append(
        {"type": "Stalled", "status": "True", "reason": "NameConflict", "message": "Service iris exists."}
    )
    assert [one.reason for one in problems(service)] == ["NameConflict"]
