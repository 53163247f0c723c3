import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelservice_operator.api.v1alpha1.status import ModelServiceStatus
from modelservice_operator.errors import (
    ApiStatus,
    DriftDetectedError,
    FieldUnsupportedError,
    ForbiddenError,
    InvalidRequestError,
    InvalidSpecError,
    KindNotServedError,
    NameConflictError,
    OperatorError,
    UnreachableError,
)
from modelservice_operator.status import compute_invalid_status, is_only_unobserved, requeue_after
from modelservice_operator.status.conditions import MAX_CONDITIONS
from modelservice_operator.status.reasons import ConditionType, Reason
from modelservice_operator.status.serving import required_count
from modelservice_operator.status.snapshot import DeploymentStatus, Snapshot, load_balancer_address
from tests.support.builders import model_service
from tests.support.pods import HASH, OLD_HASH
from tests.support.snapshot_strategies import SNAPSHOTS
from tests.support.snapshots import NOW, computed_status

SERVICE = model_service().with_generation(3).with_spec(replicas=2).parsed()


def rollout_of(**changes: Any) -> DeploymentStatus:
    """Two replicas, done."""
    counts = dict.fromkeys(("desired", "replicas", "ready", "updated", "available"), 2)
    done: dict[str, Any] = {**counts, "observed": True, "observed_generation": 1, "conditions": {}}
    return DeploymentStatus(**(done | changes))


def status(rollout: DeploymentStatus | None = None, **changes: Any) -> dict[str, Any]:
    return computed_status(Snapshot(service=SERVICE, rollout=rollout, **changes))


def conditions(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {entry["type"]: (entry["status"], entry["reason"]) for entry in found["conditions"]}


def message(found: dict[str, Any], kind: str = "Ready") -> str:
    return next(str(entry["message"]) for entry in found["conditions"] if entry["type"] == kind)


def test_rollout_complete() -> None:
    found = status(rollout_of())
    assert conditions(found) == {
        "Ready": ("True", "RolloutComplete"),
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "RolloutComplete"),
    }
    assert found["observedGeneration"] == 3
    assert found["url"] == found["address"]["url"] == "http://iris.ml.svc"
    assert found["selector"] == "app.kubernetes.io/name=modelservice,app.kubernetes.io/instance=iris"
    assert (found["replicas"], found["readyReplicas"], found["desiredReplicas"]) == (2, 2, 2)


def test_no_deployment() -> None:
    found = status()
    assert conditions(found)["Ready"] == ("False", "DeploymentPending")
    assert conditions(found)["Reconciling"] == ("True", "DeploymentPending")
    assert conditions(found)["Available"] == ("False", "NoReplicasAvailable")


@pytest.mark.parametrize(
    ("rollout", "expected"),
    [
        (rollout_of(available=1), "1 of 2 replicas of this revision are available."),
        (
            rollout_of(replicas=3, updated=1, available=3),
            "1 of 2 replicas of this revision are available, 2 of an earlier revision are left.",
        ),
        (
            rollout_of(replicas=3),
            "2 of 2 replicas of this revision are available, 1 of an earlier revision is left.",
        ),
    ],
)
def test_rollout_in_progress(rollout: DeploymentStatus, expected: str) -> None:
    found = status(rollout)
    assert conditions(found)["Ready"] == ("False", "RolloutInProgress")
    assert message(found) == expected


def test_deployment_status_is_parsed() -> None:
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
    assert DeploymentStatus.of(body) == DeploymentStatus(
        **counts,
        observed=True,
        observed_generation=2,
        conditions={"Progressing": condition},
    )
    assert not DeploymentStatus.of({"metadata": {"generation": 1}, "spec": {}}).observed


def test_unobserved_generation_is_not_ready() -> None:
    assert conditions(status(rollout_of(observed=False)))["Ready"] == ("False", "DeploymentPending")


def test_old_revision_is_available_but_not_ready() -> None:
    found = conditions(status(rollout_of(replicas=3, updated=1, available=2)))
    assert found["Available"][0] == "True"
    assert found["Ready"][0] == "False"


def test_exceeded_deadline_is_stalled() -> None:
    gave_up = {"Progressing": {"status": "False", "reason": "ProgressDeadlineExceeded"}}
    found = conditions(status(rollout_of(available=0, conditions=gave_up)))
    assert found["Stalled"] == ("True", "ProgressDeadlineExceeded")
    assert found["Progressing"][0] == "False"
    assert "Reconciling" not in found


def test_scaled_to_zero_is_ready_but_not_available() -> None:
    none = rollout_of(desired=0, replicas=0, ready=0, updated=0, available=0)
    found = conditions(computed_status(Snapshot(service=model_service().suspended().parsed(), rollout=none)))
    assert found["Ready"] == ("True", "ScaledToZero")
    assert found["Available"] == ("False", "NoReplicasAvailable")


@pytest.mark.parametrize(
    ("failure", "reason", "kind"),
    [
        (NameConflictError("taken"), "NameConflict", "Stalled"),
        (InvalidSpecError("odd"), "InvalidSpec", "Stalled"),
        (KindNotServedError("no CRD"), "KindUnavailable", "Reconciling"),
        (FieldUnsupportedError("too old", field="spec.resourceClaims"), "FieldUnsupported", "Stalled"),
        (DriftDetectedError("reverted"), "DriftDetected", "Reconciling"),
        (ForbiddenError("no"), "Forbidden", "Reconciling"),
        (InvalidRequestError("no", status=ApiStatus(422)), "Rejected", "Reconciling"),
        (UnreachableError("no answer"), "Retrying", "Reconciling"),
    ],
)
def test_child_failure_precedes_rollout_state(failure: OperatorError, reason: str, kind: str) -> None:
    found = status(rollout_of(), failure=failure)
    assert conditions(found)["Ready"] == ("False", reason)
    assert conditions(found)[kind] == ("True", reason)
    assert message(found) == str(failure)


def test_transition_time_changes_only_with_the_status() -> None:
    first = status(rollout_of(available=1))
    later = NOW + timedelta(hours=1)
    same = computed_status(Snapshot(service=SERVICE, rollout=rollout_of(available=0)), previous=first, now=later)
    flipped = computed_status(Snapshot(service=SERVICE, rollout=rollout_of()), previous=first, now=later)
    times = [{entry["type"]: entry["lastTransitionTime"] for entry in found["conditions"]} for found in (same, flipped)]
    assert times[0]["Ready"] == "2026-01-02T03:04:05Z"
    assert times[1]["Ready"] == "2026-01-02T04:04:05Z"


def test_invalid_spec_keeps_replica_counts() -> None:
    before = status(rollout_of())
    found = compute_invalid_status(InvalidSpecError("spec.image: missing"), generation=4, previous=before, now=NOW)
    assert found["observedGeneration"] == 4
    assert found["readyReplicas"] == 2
    assert conditions(found) == {
        "Ready": ("False", "InvalidSpec"),
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "RolloutComplete"),
        "Stalled": ("True", "InvalidSpec"),
    }
    generations = {entry["type"]: entry["observedGeneration"] for entry in found["conditions"]}
    assert generations == {"Ready": 4, "Available": 3, "Progressing": 3, "Stalled": 4}
    again = compute_invalid_status(InvalidSpecError("spec.image: missing"), generation=4, previous=found, now=LATER)
    assert again == found


AUDITED = {
    "type": "example.com/Audited",
    "status": "True",
    "reason": "Checked",
    "message": "",
    "lastTransitionTime": "2025-12-31T23:59:59Z",
}
LATER = NOW + timedelta(hours=1)


def with_condition_of_another(found: dict[str, Any]) -> dict[str, Any]:
    """Return the status with a foreign condition in front, as after a JSON patch."""
    return found | {"conditions": [AUDITED, *found["conditions"]]}


@pytest.mark.parametrize("rollout", [None, rollout_of(), rollout_of(available=1), rollout_of(observed=False)])
def test_conditions_of_others_are_kept(rollout: DeploymentStatus | None) -> None:
    """In a first status, in an unchanged one, in a changed one and in that of an invalid object."""
    previous = with_condition_of_another(status(rollout))
    unchanged = computed_status(Snapshot(service=SERVICE, rollout=rollout), previous=previous, now=LATER)
    assert unchanged == previous
    changed = computed_status(Snapshot(service=SERVICE, failure=UnreachableError("no")), previous=previous)
    invalid = compute_invalid_status(InvalidSpecError("odd"), generation=4, previous=previous, now=NOW)
    first = computed_status(Snapshot(service=SERVICE, rollout=rollout), previous={"conditions": [AUDITED]})
    for found in (changed, invalid, first):
        assert found["conditions"][-1] == AUDITED
        assert found["conditions"][0]["type"] == "Ready"


def test_own_condition_that_no_longer_applies_is_removed() -> None:
    gone = {"type": "AutoscalerReady", "status": "True", "reason": "AutoscalerActive", "message": ""}
    found = computed_status(Snapshot(service=SERVICE, rollout=rollout_of()), previous={"conditions": [gone]})
    assert "AutoscalerReady" not in conditions(found)


def test_conditions_of_others_never_exceed_the_schema() -> None:
    """More conditions than the schema allows would make the API server reject every status."""
    many = [AUDITED | {"type": f"example.com/{number}"} for number in range(32)]
    found = computed_status(Snapshot(service=SERVICE, rollout=rollout_of()), previous={"conditions": many})
    assert len(found["conditions"]) == MAX_CONDITIONS
    assert {"Ready", "Available", "Progressing"} < conditions(found).keys()
    assert ModelServiceStatus.model_fields["conditions"].metadata[0].max_length == MAX_CONDITIONS


def test_long_message_is_truncated() -> None:
    assert len(message(status(rollout_of(), failure=UnreachableError("x" * 5000)))) == 1024


def test_load_balancer_address_is_the_url() -> None:
    ingress = {"status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}}}
    assert load_balancer_address(ingress) == "198.51.100.7"
    assert load_balancer_address({"status": {}}) is None
    service = model_service().with_spec(service={"type": "LoadBalancer"}).parsed()
    found = computed_status(Snapshot(service=service, rollout=rollout_of(), load_balancer="198.51.100.7"))
    assert found["url"] == "http://198.51.100.7"


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
    ],
)
def test_url_is_the_exposed_one(expose: dict[str, Any], url: str) -> None:
    observed = Snapshot(service=model_service().with_spec(expose=expose).parsed(), rollout=rollout_of())
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
def test_any_input_gives_a_valid_status(rollout: DeploymentStatus, failure: OperatorError | None) -> None:
    found = status(rollout, failure=failure)
    ready = conditions(found)["Ready"][0] == "True"
    assert not ready or (rollout.rolled_out and failure is None)
    # kstatus: in progress or stalled is said exactly while it is not ready.
    assert ({"Reconciling", "Stalled"} & conditions(found).keys() != set()) is not ready
    assert all(entry["reason"] and entry["observedGeneration"] == 3 for entry in found["conditions"])
    assert computed_status(Snapshot(service=SERVICE, rollout=rollout, failure=failure), previous=found) == found


COMPLETE = status(rollout_of())
UNOBSERVED = status(rollout_of(observed=False))
EXTERNAL = model_service().with_generation(3).externally_scaled().parsed()
NO_PODS = {"replicas": 0, "ready": 0, "updated": 0, "available": 0}
ASLEEP = computed_status(Snapshot(service=EXTERNAL, rollout=rollout_of(desired=0, **NO_PODS)))
WAKING = computed_status(Snapshot(service=EXTERNAL, rollout=rollout_of(desired=1, **NO_PODS)))


@pytest.mark.parametrize(
    ("previous", "found", "expected"),
    [
        (COMPLETE, UNOBSERVED, True),
        (COMPLETE, COMPLETE, False),
        (COMPLETE, status(rollout_of(updated=1)), False),
        (UNOBSERVED, UNOBSERVED, False),
        (COMPLETE | {"observedGeneration": 2}, UNOBSERVED, False),
        ({}, UNOBSERVED, False),
        (ASLEEP, WAKING, True),
        (COMPLETE, WAKING, False),
    ],
    ids=["a moment", "done", "a rollout", "not ready before", "a new generation", "new", "from zero", "all lost"],
)
def test_is_only_unobserved(previous: dict[str, Any], found: dict[str, Any], *, expected: bool) -> None:
    assert is_only_unobserved(previous, found) is expected


VOLATILE_TEXT = re.compile(rf"\d\d:\d\d:\d\d|{HASH}|{OLD_HASH}|back-off \d+[hms]|(?i:request id)")


@settings(max_examples=200, deadline=None)
@given(SNAPSHOTS)
def test_any_snapshot_gives_a_status_valid_in_the_schema(snapshot: Snapshot) -> None:
    found = computed_status(snapshot)
    ModelServiceStatus.model_validate(found)
    kinds = [entry["type"] for entry in found["conditions"]]
    assert len(kinds) == len(set(kinds))
    for entry in found["conditions"]:
        assert ConditionType(entry["type"])
        assert Reason(entry["reason"])
        assert entry["status"] in {"True", "False", "Unknown"}
        assert 0 < len(entry["message"]) <= 1024
        assert not VOLATILE_TEXT.search(entry["message"]), entry["message"]
    assert ("Stalled" in kinds) + ("Reconciling" in kinds) == (conditions(found)["Ready"][0] != "True")
    wait = requeue_after(snapshot, found)
    assert wait is None or wait > 0


@settings(max_examples=100, deadline=None)
@given(SNAPSHOTS, st.randoms(use_true_random=False))
def test_order_of_objects_does_not_matter(snapshot: Snapshot, random: Any) -> None:
    pods, replica_sets = list(snapshot.pods), list(snapshot.replica_sets)
    random.shuffle(pods)
    random.shuffle(replica_sets)
    fields = {name: getattr(snapshot, name) for name in Snapshot.__dataclass_fields__}
    names = tuple(reversed(snapshot.foreign_autoscalers))
    shuffled = Snapshot(
        **(fields | {"pods": tuple(pods), "replica_sets": tuple(replica_sets), "foreign_autoscalers": names})
    )
    assert computed_status(shuffled) == computed_status(snapshot)


@settings(max_examples=100, deadline=None)
@given(SNAPSHOTS)
def test_ready_means_serving_and_recomputing_is_stable(snapshot: Snapshot) -> None:
    found = computed_status(snapshot)
    if conditions(found)["Ready"][0] == "True":
        assert snapshot.rollout is not None
        assert snapshot.rollout.rolled_out
        assert snapshot.rollout.available >= required_count(snapshot)
    assert computed_status(snapshot, previous=found) == found
