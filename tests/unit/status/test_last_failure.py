from typing import Any

from tests.support.pods import HASH, OLD_HASH, new_pod
from tests.support.snapshots import computed_status, deployment_status, snapshot

CRASH = new_pod().crashed(message="2026-01-02 03:02:00 starting\nout of paper\n")
FAILURE = {
    "pod": f"iris-{HASH}-x2x7k",
    "container": "model",
    "reason": "Error",
    "exitCode": 1,
    "message": "out of paper",
    "time": "2026-01-02T03:02:00Z",
}
OLD = FAILURE | {"pod": f"iris-{OLD_HASH}-x2x7k"}


def failure(*pods: Any, before: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any] | None:
    previous = {} if before is None else {"lastFailure": before}
    found: dict[str, Any] | None = computed_status(snapshot(*pods, **changes), previous=previous).get("lastFailure")
    return found


def test_termination_is_reported() -> None:
    assert failure(CRASH) == FAILURE
    assert failure(new_pod()) is None
    assert failure(new_pod().crashed(reason=None, finishedAt=None)) == {
        "pod": f"iris-{HASH}-x2x7k",
        "container": "model",
        "reason": "Error",
        "exitCode": 1,
    }


def test_line_with_the_cause_is_reported() -> None:
    log = "ModuleNotFoundError: No module named 'iris'\n[7] [INFO] Worker exiting\n[1] [ERROR] Worker failed to boot."
    found = failure(new_pod().crashed(message=log))
    assert found is not None
    assert found["message"] == "ModuleNotFoundError: No module named 'iris'"


def test_repeated_failure_is_unchanged() -> None:
    again = new_pod().named("bbbbb").crashed(message="out of ink", finishedAt="2026-01-02T04:00:00Z")
    assert failure(again, before=FAILURE) == FAILURE
    assert failure(again.being_deleted(), before=FAILURE) == FAILURE


def test_other_failure_replaces_the_previous_one() -> None:
    killed = new_pod().crashed(reason="OOMKilled", exitCode=137, finishedAt="2026-01-02T04:00:00Z")
    found = failure(killed, before=FAILURE)
    assert found is not None
    assert (found["reason"], found["exitCode"], found["time"]) == ("OOMKilled", 137, "2026-01-02T04:00:00Z")
    # While both are visible, the one that was reported first stays.
    assert failure(killed, CRASH.named("bbbbb"), before=FAILURE) == FAILURE


def test_newest_failure_is_reported_first() -> None:
    later = new_pod().named("bbbbb").crashed(exitCode=2, finishedAt="2026-01-02T03:03:00Z")
    for pods in ((CRASH, later), (later, CRASH)):
        found = failure(*pods)
        assert found is not None
        assert found["exitCode"] == 2


def test_completed_init_container_is_not_a_failure() -> None:
    done = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    assert failure(new_pod().container("model-loader", init=True, state=done)) is None
    server = failure(new_pod().crashed(exitCode=0, reason="Completed"))
    assert server is not None
    assert (server["reason"], server["exitCode"]) == ("Completed", 0)


def test_loader_report_is_kept_whole() -> None:
    report = '{"reason": "ModelNotFound", "message": "no such key"}'
    found = failure(new_pod().crashed(name="model-loader", init=True, message=report))
    assert found is not None
    assert found["message"] == report


def test_evicted_pod_has_no_container() -> None:
    evicted = new_pod().in_phase("Failed", reason="Evicted", message="The node was low on resource: memory.")
    assert failure(evicted) == {
        "pod": f"iris-{HASH}-x2x7k",
        "reason": "Evicted",
        "message": "The node was low on resource: memory.",
    }


def test_last_failure_is_cleared_by_the_next_revision() -> None:
    assert failure(new_pod(), before=FAILURE, rollout=deployment_status()) == FAILURE
    assert failure(new_pod(), before=OLD) == OLD  # the new revision is being rolled out
    assert failure(new_pod(), before=OLD, rollout=deployment_status()) is None
    assert failure(CRASH, before=OLD) == FAILURE  # as the old one failed
    # Which revision is the current one is not known: nothing is dropped for that.
    assert failure(new_pod(), before=OLD, rollout=deployment_status(), replica_sets=()) == OLD
