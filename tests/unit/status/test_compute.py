from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelservice_operator.errors import (
    ApiStatus,
    DriftDetectedError,
    ForbiddenError,
    InvalidRequestError,
    InvalidSpecError,
    KindNotServedError,
    NameConflictError,
    OperatorError,
    UnreachableError,
)
from modelservice_operator.status import compute_invalid_status, is_only_unobserved
from modelservice_operator.status.snapshot import DeploymentStatus, Snapshot, load_balancer_address
from tests.support.builders import model_service
from tests.support.snapshots import NOW, computed_status

SERVICE = model_service().with_generation(3).parsed()


def a_rollout(**changes: Any) -> DeploymentStatus:
    """Two replicas, done."""
    counts = dict.fromkeys(("desired", "replicas", "ready", "updated", "available"), 2)
    done: dict[str, Any] = {**counts, "observed": True, "conditions": {}}
    return DeploymentStatus(**(done | changes))


def status(rollout: DeploymentStatus | None = None, **changes: Any) -> dict[str, Any]:
    return computed_status(Snapshot(service=SERVICE, rollout=rollout, **changes))


def conditions(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {entry["type"]: (entry["status"], entry["reason"]) for entry in found["conditions"]}


def message(found: dict[str, Any], kind: str = "Ready") -> str:
    return next(str(entry["message"]) for entry in found["conditions"] if entry["type"] == kind)


def test_done() -> None:
    found = status(a_rollout())
    assert conditions(found) == {
        "Ready": ("True", "RolloutComplete"),
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "RolloutComplete"),
    }
    assert found["observedGeneration"] == 3
    assert found["url"] == found["address"]["url"] == "http://iris.ml.svc"
    assert found["selector"] == "app.kubernetes.io/name=modelservice,app.kubernetes.io/instance=iris"
    assert (found["replicas"], found["readyReplicas"], found["desiredReplicas"]) == (2, 2, 2)


def test_nothing_there_yet() -> None:
    found = status()
    assert conditions(found)["Ready"] == ("False", "DeploymentPending")
    assert conditions(found)["Reconciling"] == ("True", "DeploymentPending")
    assert conditions(found)["Available"] == ("False", "NoReplicasAvailable")


@pytest.mark.parametrize(
    ("rollout", "sentence"),
    [
        (a_rollout(available=1), "1 of 2 replicas of this revision are available."),
        (
            a_rollout(replicas=3, updated=1, available=3),
            "1 of 2 replicas of this revision are available, 2 of an earlier revision are left.",
        ),
        (
            a_rollout(replicas=3),
            "2 of 2 replicas of this revision are available, 1 of an earlier revision is left.",
        ),
    ],
)
def test_on_the_way(rollout: DeploymentStatus, sentence: str) -> None:
    found = status(rollout)
    assert conditions(found)["Ready"] == ("False", "RolloutInProgress")
    assert message(found) == sentence


def test_a_deployment_is_read_as_its_controller_reports_it() -> None:
    condition = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}
    body = {
        "metadata": {"generation": 2},
        "spec": {"replicas": 3},
        "status": {
            "observedGeneration": 2,
            "replicas": 3,
            "updatedReplicas": 2,
            "readyReplicas": 1,
            "availableReplicas": 1,
            "conditions": [condition],
        },
    }
    counts: dict[str, Any] = {"desired": 3, "replicas": 3, "updated": 2, "ready": 1, "available": 1}
    assert DeploymentStatus.of(body) == DeploymentStatus(**counts, observed=True, conditions={"Progressing": condition})
    assert not DeploymentStatus.of({"metadata": {"generation": 1}, "spec": {}}).observed


def test_an_unseen_revision_is_never_ready() -> None:
    assert conditions(status(a_rollout(observed=False)))["Ready"] == ("False", "DeploymentPending")


def test_an_earlier_revision_that_serves_is_available_though_not_ready() -> None:
    found = conditions(status(a_rollout(replicas=3, updated=1, available=2)))
    assert found["Available"][0] == "True"
    assert found["Ready"][0] == "False"


def test_a_rollout_that_gave_up_is_stalled() -> None:
    gave_up = {"Progressing": {"status": "False", "reason": "ProgressDeadlineExceeded"}}
    found = conditions(status(a_rollout(available=0, conditions=gave_up)))
    assert found["Stalled"] == ("True", "ProgressDeadlineExceeded")
    assert found["Progressing"][0] == "False"
    assert "Reconciling" not in found


def test_no_replicas_wanted_is_as_asked_for_but_serves_nothing() -> None:
    found = conditions(status(a_rollout(desired=0, replicas=0, ready=0, updated=0, available=0)))
    assert found["Ready"] == ("True", "ScaledToZero")
    assert found["Available"] == ("False", "NoReplicasAvailable")


@pytest.mark.parametrize(
    ("failure", "reason", "kind"),
    [
        (NameConflictError("taken"), "NameConflict", "Stalled"),
        (InvalidSpecError("odd"), "InvalidSpec", "Stalled"),
        (KindNotServedError("no CRD"), "KindUnavailable", "Reconciling"),
        (DriftDetectedError("reverted"), "DriftDetected", "Reconciling"),
        (ForbiddenError("no"), "Forbidden", "Reconciling"),
        (InvalidRequestError("no", status=ApiStatus(422)), "Rejected", "Reconciling"),
        (UnreachableError("no answer"), "Retrying", "Reconciling"),
    ],
)
def test_a_failure_speaks_before_the_rollout(failure: OperatorError, reason: str, kind: str) -> None:
    found = status(a_rollout(), failure=failure)
    assert conditions(found)["Ready"] == ("False", reason)
    assert conditions(found)[kind] == ("True", reason)
    assert message(found) == str(failure)


def test_a_transition_time_moves_only_with_the_status() -> None:
    first = status(a_rollout(available=1))
    later = NOW + timedelta(hours=1)
    same = computed_status(Snapshot(service=SERVICE, rollout=a_rollout(available=0)), previous=first, now=later)
    flipped = computed_status(Snapshot(service=SERVICE, rollout=a_rollout()), previous=first, now=later)
    times = [{entry["type"]: entry["lastTransitionTime"] for entry in found["conditions"]} for found in (same, flipped)]
    assert times[0]["Ready"] == "2026-01-02T03:04:05Z"
    assert times[1]["Ready"] == "2026-01-02T04:04:05Z"


def test_what_cannot_be_understood_keeps_its_numbers() -> None:
    before = status(a_rollout())
    found = compute_invalid_status(InvalidSpecError("spec.image: missing"), generation=4, previous=before, now=NOW)
    assert found["observedGeneration"] == 4
    assert found["readyReplicas"] == 2
    assert conditions(found) == {"Ready": ("False", "InvalidSpec"), "Stalled": ("True", "InvalidSpec")}


def test_a_long_message_is_cut() -> None:
    assert len(message(status(a_rollout(), failure=UnreachableError("x" * 5000)))) == 1024


def test_the_load_balancer_s_address_is_the_url() -> None:
    ingress = {"status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}}}
    assert load_balancer_address(ingress) == "198.51.100.7"
    assert load_balancer_address({"status": {}}) is None
    assert status(a_rollout(), load_balancer="198.51.100.7")["url"] == "http://198.51.100.7"


@pytest.mark.parametrize(
    ("expose", "url"),
    [
        ({"ingress": {"host": "iris.example.com", "className": "nginx"}}, "http://iris.example.com"),
        (
            {"ingress": {"host": "iris.example.com", "className": "nginx", "path": "/v1", "tlsSecretName": "tls"}},
            "https://iris.example.com/v1",
        ),
        (
            {"httpRoute": {"parentRefs": [{"name": "edge"}], "hostnames": ["iris.example.com"]}},
            "http://iris.example.com",
        ),
        ({"httpRoute": {"parentRefs": [{"name": "edge"}]}}, "http://iris.ml.svc"),
    ],
)
def test_the_url_is_where_people_reach_it(expose: dict[str, Any], url: str) -> None:
    observed = Snapshot(service=model_service().with_spec(expose=expose).parsed(), rollout=a_rollout())
    found = computed_status(observed)
    assert (found["url"], found["address"]["url"]) == (url, "http://iris.ml.svc")


counts = st.integers(0, 4)
rollouts = st.builds(
    DeploymentStatus,
    desired=counts,
    replicas=counts,
    ready=counts,
    updated=counts,
    available=counts,
    observed=st.booleans(),
    conditions=st.dictionaries(
        st.sampled_from(["Progressing", "ReplicaFailure", "Available"]),
        st.fixed_dictionaries(
            {"status": st.sampled_from(["True", "False"]), "reason": st.sampled_from(["ProgressDeadlineExceeded", "X"])}
        ),
    ),
)


@given(rollouts, st.one_of(st.none(), st.builds(UnreachableError, st.text())))
def test_judging_is_total_and_ready_means_complete(rollout: DeploymentStatus, failure: OperatorError | None) -> None:
    found = status(rollout, failure=failure)
    ready = conditions(found)["Ready"][0] == "True"
    assert not ready or (rollout.complete and failure is None)
    # kstatus: in progress or stalled is said exactly while it is not ready.
    assert ({"Reconciling", "Stalled"} & conditions(found).keys() != set()) is not ready
    assert all(entry["reason"] and entry["observedGeneration"] == 3 for entry in found["conditions"])
    assert computed_status(Snapshot(service=SERVICE, rollout=rollout, failure=failure), previous=found) == found


DONE = status(a_rollout())
UNSEEN = status(a_rollout(observed=False))


@pytest.mark.parametrize(
    ("previous", "found", "expected"),
    [
        (DONE, UNSEEN, True),
        (DONE, DONE, False),
        (DONE, status(a_rollout(updated=1)), False),
        (UNSEEN, UNSEEN, False),
        (DONE | {"observedGeneration": 2}, UNSEEN, False),
        ({}, UNSEEN, False),
    ],
    ids=["a moment", "done", "a rollout", "not ready before", "a new generation", "new"],
)
def test_merely_unseen(previous: dict[str, Any], found: dict[str, Any], *, expected: bool) -> None:
    assert is_only_unobserved(previous, found) is expected
