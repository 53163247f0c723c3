"""status.model and ModelLoaded."""

import json
from typing import Any

import pytest

from model_loader.errors import Reason as LoaderReason
from modelservice_operator.errors import FieldUnsupportedError
from modelservice_operator.resources.newer_fields import IMAGE_VOLUME
from modelservice_operator.status.conditions import Explanation
from modelservice_operator.status.model_status import compute_model_status
from modelservice_operator.status.reasons import LOADER_REASONS, Reason
from modelservice_operator.status.snapshot import Snapshot
from tests.support.builders import model_service
from tests.support.pods import PodBuilder, new_pod
from tests.support.snapshots import deployment_status, snapshot


def model_loaded(found: Snapshot, previous: dict[str, Any]) -> tuple[bool, Explanation] | None:
    model = compute_model_status(found, previous)
    return None if model is None else (model.loaded, model.explanation)


def model_status(found: Snapshot, previous: dict[str, Any]) -> dict[str, Any] | None:
    model = compute_model_status(found, previous)
    return None if model is None else model.status


S3 = "s3://models/iris/v3"
DIGEST = f"blake3:{'ab' * 32}"
REPORT = {"reason": "Loaded", "message": "x", "resolvedURI": S3, "digest": DIGEST, "files": 2, "bytes": 10, "uri": S3}
DOWNLOADED = model_service().with_spec(model={"uri": S3})


def loaded(
    report: dict[str, Any] | str = REPORT, *, suffix: str = "x2x7k", time: str = "2026-01-02T03:00:00Z"
) -> PodBuilder:
    text = report if isinstance(report, str) else json.dumps(report)
    ended = {"exitCode": 0, "reason": "Completed", "message": text, "finishedAt": "2026-01-02T03:00:00Z"}
    pod = new_pod().named(suffix).created_at(time)
    return pod.container("model-loader", init=True, ready=True, state={"terminated": ended})


def failing(suffix: str = "x2x7k") -> PodBuilder:
    report = json.dumps({"reason": "AccessDenied", "message": f"{S3} may not be read."})
    return new_pod().named(suffix).crashed(name="model-loader", init=True, message=report).waiting("PodInitializing")


def model_condition(*pods: PodBuilder, service: Any = DOWNLOADED, **more: Any) -> tuple[bool, str, str]:
    found = model_loaded(snapshot(*pods, service=service, **more), {})
    assert found is not None
    return found[0], str(found[1].reason), found[1].message


def test_loaded_model_is_reported() -> None:
    assert model_condition(loaded()) == (True, "ModelLoaded", f"The model was loaded from {S3} (2 files, 10 bytes).")
    status = model_status(snapshot(loaded(), service=DOWNLOADED), {})
    assert status == {"uri": S3, "resolvedURI": S3, "digest": DIGEST, "state": "Loaded"}


def test_report_of_the_newest_pod_is_used() -> None:
    newer = loaded({**REPORT, "digest": "blake3:new"}, suffix="aaaaa", time="2026-01-02T04:00:00Z")
    status = model_status(snapshot(loaded(), newer, service=DOWNLOADED), {})
    assert status is not None
    assert status["digest"] == "blake3:new"


def test_one_failed_loader_is_a_failure() -> None:
    told = (False, "AccessDenied", f"1 of 2 pods: the model cannot be loaded: {S3} may not be read.")
    assert model_condition(loaded(suffix="aaaaa"), failing()) == told
    status = model_status(snapshot(failing(), service=DOWNLOADED), {})
    assert status == {"uri": S3, "state": "Failed"}


def test_scale_up_keeps_the_model_loaded() -> None:
    """Scaling up must not flip the condition."""
    starting = new_pod().named("aaaaa").container("model-loader", init=True, state={"running": {}}).unready()
    assert model_condition(loaded(), starting)[0]


def test_loading_and_pending() -> None:
    running = new_pod().container("model-loader", init=True, state={"running": {}}).waiting("PodInitializing")
    assert model_condition(running)[:2] == (False, "ModelLoading")
    assert model_condition()[:2] == (False, "ModelPending")


@pytest.mark.parametrize("report", ["", "done", "[]", "7", '{"digest": 7, "files": "x", "bytes": -1}', "{" * 5000])
def test_custom_loader_may_report_anything(report: str) -> None:
    assert model_condition(loaded(report)) == (True, "ModelLoaded", "The model was loaded.")


def test_long_reports_are_truncated() -> None:
    report = {**REPORT, "resolvedURI": "s3://" + "a" * 9000, "digest": "d" * 9000}
    status = model_status(snapshot(loaded(report), service=DOWNLOADED), {})
    assert status is not None
    assert len(json.dumps(status)) < 5000


def test_model_status_is_retained_without_pods() -> None:
    """Scaled to zero: there is no pod, and the model is what it was."""
    before = {
        "model": {"uri": S3, "digest": DIGEST, "state": "Loaded"},
        "conditions": [{"type": "ModelLoaded", "status": "True", "reason": "ModelLoaded", "message": "as it was"}],
    }
    empty = snapshot(
        service=DOWNLOADED, rollout=deployment_status(desired=0, replicas=0, ready=0, updated=0, available=0)
    )
    assert model_status(empty, before) == before["model"]
    found = model_loaded(empty, before)
    assert found is not None
    assert (found[0], found[1].message) == (True, "as it was")


def test_mounted_model_is_loaded_when_a_pod_runs() -> None:
    service = model_service().with_spec(model={"uri": "pvc://models/iris"})
    assert model_condition(new_pod(), service=service) == (True, "ModelLoaded", "The model is mounted.")
    assert model_condition(new_pod().in_phase("Pending").unready(), service=service)[:2] == (False, "ModelPending")


def test_unsupported_image_volume_is_reported() -> None:
    service = model_service().with_spec(model={"uri": "oci://registry.example.com/iris:1"})
    error = IMAGE_VOLUME.error()
    assert model_condition(service=service, failure=error) == (False, "FieldUnsupported", str(error))
    another = FieldUnsupportedError("another field", field="spec.resourceClaims")
    assert model_condition(service=service, failure=another)[:2] == (False, "ModelPending")


@pytest.mark.parametrize("model", [None, {"uri": "file:///app/model"}, {"name": "x"}])
def test_model_status_is_none_without_a_loader(model: dict[str, Any] | None) -> None:
    service = model_service().with_spec(model=model) if model else model_service()
    assert model_loaded(snapshot(new_pod(), service=service), {}) is None
    assert model_status(snapshot(new_pod(), service=service), {}) is None


def test_loader_and_operator_have_the_same_reasons() -> None:
    """They are two programs, and neither imports the other."""
    assert {str(reason) for reason in LoaderReason} == {
        str(reason) for reason in {*LOADER_REASONS, Reason.LOADER_FAILED}
    }


def test_report_that_is_not_unicode_is_made_valid() -> None:
    """A lone surrogate cannot be written into a status."""
    found = model_condition(loaded('{"resolvedURI": "s3://\\ud800"}'))
    assert found == (True, "ModelLoaded", "The model was loaded from s3://\ufffd.")
