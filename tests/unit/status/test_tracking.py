"""ModelTracked: failures of the periodic checks of an auto-updated model. Ready is never affected."""

import json
from datetime import timedelta
from typing import Any

import pytest

from modelservice_operator.resources.metadata import MODEL_CACHE_KEY_LABEL
from modelservice_operator.resources.model_volume import cache_key
from modelservice_operator.status import requeue_after
from modelservice_operator.status.snapshot import Snapshot
from tests.support.builders import ModelServiceBuilder
from tests.support.pods import PodBuilder, new_pod
from tests.support.snapshots import IRIS, NOW, computed_status, condition, deployment_status, reported, snapshot

URI = "s3://models/iris/latest"
SERVICE = IRIS.with_spec(model={"uri": URI, "updatePolicy": "Auto"})
UID = "4a1c1a9e-4b0e-4b0c-9c53-2f3b1a7f0d11"
DENIED = {"reason": "AccessDenied", "message": "the credentials have expired"}
ACTIVE = ("True", "TrackingActive", "The newest check of model.uri succeeded.")
PENDING = ("Unknown", "TrackingPending", "No check of model.uri has ended yet.")
EXPIRED = (
    "False",
    "AccessDenied",
    "The newest check of model.uri failed: the credentials have expired. The pods keep their model.",
)


def cron_job(**status: Any) -> dict[str, Any]:
    """Return the CronJob, which succeeded at its last schedule unless `status` differs."""
    times = {"lastScheduleTime": "2026-01-02T03:00:00Z", "lastSuccessfulTime": "2026-01-02T03:00:05Z"}
    return {"metadata": {"name": "iris"}, "spec": {"suspend": False}, "status": times | status}


FAILED_CRON_JOB = cron_job(lastScheduleTime="2026-01-02T04:00:00Z")
"""Its last Job did not succeed."""
RUNNING_CRON_JOB = cron_job(lastScheduleTime="2026-01-02T04:00:00Z", active=[{"name": "iris-1", "uid": "job"}])


def check(pod: PodBuilder, minute: int = 0, *, job: str = "") -> PodBuilder:
    """Return the pod as that of a check."""
    model = SERVICE.parsed().spec.model
    assert model is not None
    key = cache_key(model, None)
    owners = [{"uid": job, "controller": True}] if job else []
    labels = {"app.kubernetes.io/instance": "iris", MODEL_CACHE_KEY_LABEL: key}
    named = pod.of_revision("").named(f"check{minute}").labelled(labels).created_at(f"2026-01-02T03:{minute:02}:00Z")
    return PodBuilder(**(vars(named) | {"metadata": named.metadata | {"ownerReferences": owners}}))


def ended(code: int = 0, report: dict[str, str] | None = None, *, phase: str = "") -> PodBuilder:
    """Return a pod whose resolver has ended."""
    terminated = {"exitCode": code, "reason": "Error" if code else "Completed", "message": json.dumps(report or {})}
    pod = new_pod().container("model-resolver", state={"terminated": terminated})
    resolver = {"model-resolver": pod.containers["model-resolver"]}
    return PodBuilder(**(vars(pod) | {"containers": resolver, "phase": phase or ("Failed" if code else "Succeeded")}))


def observed(*pods: PodBuilder, service: ModelServiceBuilder = SERVICE, **changes: Any) -> Snapshot:
    found: dict[str, Any] = {"rollout": deployment_status(), "cron_job": cron_job()} | changes
    return snapshot(*pods, service=service, **found)


def tracked(*pods: PodBuilder, previous: dict[str, Any] | None = None, **changes: Any) -> tuple[str, str, str]:
    """Return the condition ModelTracked, after checking that the model is ready in any case."""
    status = computed_status(observed(*pods, **changes), previous=previous)
    assert (condition(status) or {})["status"] == "True"
    entry = condition(status, "ModelTracked") or {}
    return entry["status"], entry["reason"], entry["message"]


FAILING = computed_status(observed(check(ended(1, DENIED))))
SUCCEEDING = computed_status(observed(check(ended())))


def test_condition_is_absent_without_updates() -> None:
    for service in (IRIS, IRIS.with_spec(model={"uri": URI}), SERVICE.suspended()):
        assert reported(observed(check(ended(1, DENIED)), service=service), "ModelTracked") is None


def test_outcome_of_the_newest_check_is_reported() -> None:
    assert tracked() == PENDING
    assert tracked(check(ended())) == ACTIVE
    assert tracked(check(PodBuilder(phase="Succeeded", containers={}))) == ACTIVE
    assert tracked(check(ended(1, DENIED))) == EXPIRED
    assert tracked(check(ended(), 1), check(ended(1, DENIED), 2)) == EXPIRED
    assert tracked(check(ended(1, DENIED), 1), check(ended(), 2)) == ACTIVE
    assert tracked(check(ended(3)))[1] == "LoaderFailed"


def test_check_that_runs_retains_the_condition() -> None:
    starting = check(new_pod().waiting("ContainerCreating", name="model-resolver").in_phase("Pending"), 9)
    assert tracked(starting, previous=FAILING) == EXPIRED
    assert tracked(starting, previous=SUCCEEDING) == ACTIVE
    assert tracked(starting) == PENDING


def test_time_of_the_condition_is_since_when_it_fails() -> None:
    later = computed_status(observed(check(ended(1, DENIED), 9)), previous=FAILING, now=NOW + timedelta(hours=5))
    assert (condition(later, "ModelTracked") or {})["lastTransitionTime"] == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize("changes", [{"cron_job": FAILED_CRON_JOB}, {"cron_job": RUNNING_CRON_JOB}])
def test_failure_stays_when_its_pod_is_gone(changes: dict[str, Any]) -> None:
    """The success of an earlier check, whose pod is stored for longer, does not replace it."""
    assert tracked(check(ended()), previous=FAILING, **changes) == EXPIRED
    assert tracked(check(ended()), previous=SUCCEEDING, **changes) == ACTIVE


def test_failure_ends_with_the_next_success() -> None:
    assert tracked(check(ended(), 9), previous=FAILING) == ACTIVE


def test_failure_of_another_uri_is_forgotten() -> None:
    other = SERVICE.with_spec(model={"uri": "s3://models/rose", "updatePolicy": "Auto"})
    assert tracked(check(ended(1, DENIED)), service=other, previous=FAILING) == PENDING


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (new_pod().unschedulable("0/1 nodes are available: 1 Insufficient cpu."), "Unschedulable"),
        (new_pod().waiting("ImagePullBackOff", "not found", name="model-resolver"), "ImagePull"),
        (new_pod().waiting("CreateContainerConfigError", "secret not found", name="model-resolver"), "CreateContain"),
    ],
)
def test_check_that_cannot_start_is_reported_after_a_minute(pod: PodBuilder, reason: str) -> None:
    pending = check(pod.in_phase("Pending"))
    assert tracked(pending, previous=SUCCEEDING, ages={UID: 59.0}) == ACTIVE
    found = tracked(pending, previous=SUCCEEDING, ages={UID: 60.0})
    assert found[0] == "False"
    assert found[1].startswith(reason)
    assert found[2].startswith("The pod of the newest check of model.uri is not ready: ")


def test_check_without_its_secret_is_reported() -> None:
    """The Events of its pod, which name the Secret, are not read."""
    model = SERVICE.spec["model"] | {"credentials": {"secretRef": {"name": "store"}}}
    pod = new_pod().waiting("ContainerCreating", name="model-resolver").in_phase("Pending")
    waiting = check(pod.with_condition("PodReadyToStartContainers", "False"))
    service = SERVICE.with_spec(model=model)
    assert tracked(waiting, service=service, previous=SUCCEEDING, ages={UID: 59.0}) == ACTIVE
    found = tracked(waiting, service=service, previous=SUCCEEDING, ages={UID: 60.0})
    assert found[:2] == ("False", "VolumePending")
    assert found[2] == (
        "The pod of the newest check of model.uri is waiting for its volumes. Check that the Secret of"
        " model.credentials exists: kubectl get -n ml secret/store."
    )
    assert tracked(waiting, previous=SUCCEEDING, ages={UID: 60.0}) == ACTIVE
    assert tracked(check(pod), service=service, previous=SUCCEEDING, ages={UID: 60.0}) == ACTIVE


def test_check_without_a_pod_is_reported_after_a_minute() -> None:
    assert tracked(check(ended()), cron_job=RUNNING_CRON_JOB, ages={"job": 59.0}) == ACTIVE
    assert tracked(check(ended()), cron_job=RUNNING_CRON_JOB, ages={"job": 60.0}) == (
        "False",
        "CheckNotStarted",
        (
            "The Job of the newest check of model.uri has no pod. Its Events have the cause: kubectl describe jobs -n"
            " ml -l app.kubernetes.io/instance=iris."
        ),
    )
    running = check(new_pod().waiting("ContainerCreating", name="model-resolver").in_phase("Pending"), job="job")
    assert tracked(running, cron_job=RUNNING_CRON_JOB, ages={"job": 60.0, UID: 60.0}) == PENDING


def test_check_that_does_not_end_is_reported() -> None:
    hanging = check(new_pod().running(started=True, name="model-resolver"))
    assert tracked(hanging, ages={UID: 299.0}) == PENDING
    assert tracked(hanging, ages={UID: 300.0})[1] == "CheckNotEnding"
    sidecar = check(ended(phase="Running"))
    assert tracked(sidecar, ages={UID: 59.0}) == ACTIVE
    found = tracked(sidecar, ages={UID: 60.0})
    assert found[:2] == ("False", "CheckNotEnding")
    assert "app.kubernetes.io/name=modelservice-refresh" in found[2]


def test_evicted_check_is_reported() -> None:
    evicted = check(new_pod().in_phase("Failed", reason="Evicted", message="The node was low on resource: memory."))
    found = tracked(PodBuilder(**(vars(evicted) | {"containers": {}})))
    assert found[:2] == ("False", "PodFailed")


def test_suspended_cron_job_is_reported_with_the_command() -> None:
    suspended = cron_job() | {"spec": {"suspend": True}}
    found = tracked(check(ended()), cron_job=suspended)
    assert found[:2] == ("False", "TrackingSuspended")
    assert 'kubectl patch -n ml cronjob/iris -p \'{"spec":{"suspend":false}}\'' in found[2]
    assert tracked(previous=computed_status(observed(cron_job=suspended))) == PENDING


def test_requeue_after_is_when_a_check_is_late() -> None:
    def seconds(age: float) -> float | None:
        found = observed(check(new_pod().waiting("x", name="model-resolver").in_phase("Pending")), ages={UID: age})
        return requeue_after(found, computed_status(found))

    assert [seconds(age) for age in (0.0, 59.0, 60.0, 299.0, 300.0)] == [60.0, 1.0, 240.0, 1.0, None]
    assert requeue_after(observed(check(ended())), SUCCEEDING) is None
