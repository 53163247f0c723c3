"""Ready means that the newest revision was rolled out once, and that the required replicas are available."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelservice_operator.events.transitions import events_for
from modelservice_operator.status.snapshot import Snapshot
from tests.support.builders import ModelServiceBuilder
from tests.support.pods import PodBuilder, new_pod
from tests.support.snapshots import IRIS, NOW, computed_status, condition, deployment_status, reported, snapshot

SCALED = IRIS.autoscaled(min_replicas=2, max_replicas=9)
TO_ZERO = IRIS.with_spec(autoscaling={"minReplicas": 0, "maxReplicas": 5, "metrics": [{"type": "External"}]})
EXTERNAL = IRIS.externally_scaled()
NO_ROOM = "0/1 nodes are available: 1 Insufficient cpu."
ACTIVE = [{"type": kind, "status": "True"} for kind in ("AbleToScale", "ScalingActive")]
AUTOSCALER = {"metadata": {"name": "iris"}, "spec": {}, "status": {"conditions": ACTIVE}}
ROLLED_OUT = {"Progressing": {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}}
PROGRESSING = {"Progressing": {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}}
PAUSED = {"Progressing": {"type": "Progressing", "status": "Unknown", "reason": "DeploymentPaused"}}


def told(found: Snapshot, kind: str = "Ready") -> tuple[str, str, str]:
    """Return status, reason and message of a condition that is present."""
    entry = reported(found, kind)
    assert entry is not None
    return entry


def scaling(
    desired: int, available: int, *pods: PodBuilder, service: ModelServiceBuilder = SCALED, **changes: Any
) -> Any:
    """Return the snapshot of a Deployment whose newest revision was complete before it was scaled to `desired`."""
    counts = dict.fromkeys(("desired", "replicas", "updated"), desired)
    conditions = changes.pop("conditions", ROLLED_OUT)
    rollout = deployment_status(**counts, ready=available, available=available, conditions=conditions, **changes)
    return snapshot(*pods, service=service, rollout=rollout, autoscaler=AUTOSCALER)


def test_scaling_up_keeps_the_model_ready() -> None:
    found = scaling(5, 2, new_pod().waiting("ContainerCreating"))
    assert reported(found) == ("True", "RolloutComplete", "2 of 5 replicas are available; at least 2 must be.")
    assert reported(found, "Progressing") == ("True", *told(found)[1:])
    assert reported(found, "AutoscalerReady") == (
        "True",
        "AutoscalerActive",
        "The HorizontalPodAutoscaler is active.",
    )


def test_scaling_down_keeps_the_model_ready() -> None:
    rollout = deployment_status(replicas=5, updated=5, available=5, conditions=ROLLED_OUT)
    assert reported(snapshot(service=SCALED, rollout=rollout)) == (
        "True",
        "RolloutComplete",
        "All 2 replicas are available.",
    )


@pytest.mark.parametrize("service", [SCALED, EXTERNAL], ids=["own", "external"])
def test_unplaced_replica_is_reported_on_the_autoscaler(service: ModelServiceBuilder) -> None:
    found = scaling(5, 4, new_pod().unschedulable(NO_ROOM), service=service)
    assert told(found)[:2] == ("True", "RolloutComplete")
    status, reason, message = told(found, "AutoscalerReady")
    assert (status, reason) == ("False", "Unschedulable")
    assert message.startswith("4 of 5 replicas are available. The only pod: cannot be scheduled: 0/1 nodes are")


def test_fewer_replicas_than_required_are_not_ready() -> None:
    found = scaling(5, 1, new_pod().unschedulable(NO_ROOM))
    assert told(found)[:2] == ("False", "Unschedulable")
    assert told(found, "AutoscalerReady")[1] == "AutoscalerActive"
    assert reported(scaling(2, 1)) == (
        "False",
        "RolloutInProgress",
        "1 of 2 replicas of this revision are available.",
    )


def test_fixed_replicas_are_all_required() -> None:
    found = scaling(3, 2, service=IRIS.with_spec(replicas=3))
    assert told(found)[:2] == ("False", "RolloutInProgress")


def test_foreign_autoscaler_of_fixed_replicas_keeps_ready() -> None:
    for desired, available in ((1, 1), (5, 3)):
        found = replace(scaling(desired, available, service=IRIS), foreign_autoscalers=("theirs",))
        assert told(found)[:2] == ("True", "RolloutComplete")
        assert told(found, "AutoscalerReady")[1] == "ForeignAutoscaler"


def test_revision_must_be_rolled_out_once() -> None:
    """A new revision with enough replicas is not ready before the Deployment controller reports it as complete."""
    found = scaling(5, 4, new_pod().unschedulable(NO_ROOM), conditions=PROGRESSING)
    assert told(found)[:2] == ("False", "Unschedulable")
    mixed = deployment_status(desired=5, replicas=5, updated=2, available=5, conditions=ROLLED_OUT)
    assert told(snapshot(service=SCALED, rollout=mixed))[:2] == ("False", "RolloutInProgress")


@pytest.mark.parametrize("service", [TO_ZERO, EXTERNAL], ids=["own", "external"])
def test_start_from_zero_is_ready_unless_the_replica_fails(service: ModelServiceBuilder) -> None:
    starting = scaling(1, 0, new_pod().waiting("ContainerCreating"), service=service)
    assert reported(starting) == ("True", "RolloutComplete", "0 of 1 replicas are available; at least 0 must be.")
    assert told(starting, "Available")[0] == "False"
    failing = scaling(1, 0, new_pod().crashed(), service=service)
    assert told(failing)[:2] == ("False", "CrashLoop")


def test_suspended_service_is_ready_when_its_replicas_have_ended() -> None:
    rollout = deployment_status(desired=0, conditions=ROLLED_OUT)
    assert told(snapshot(service=IRIS.suspended(), rollout=rollout))[:2] == ("False", "RolloutInProgress")
    ended = deployment_status(desired=0, replicas=0, updated=0, ready=0, available=0)
    assert told(snapshot(service=IRIS.suspended(), rollout=ended))[:2] == ("True", "ScaledToZero")


def test_paused_rollout_is_reported_with_the_command() -> None:
    rollout = deployment_status(updated=0, paused=True, conditions=PAUSED)
    assert reported(snapshot(new_pod(), rollout=rollout)) == (
        "False",
        "RolloutPaused",
        (
            "The Deployment is paused, so this generation is not rolled out. To resume: kubectl rollout resume -n ml"
            " deployment/iris."
        ),
    )
    new = deployment_status(replicas=0, updated=0, ready=0, available=0, paused=True, conditions={})
    assert told(snapshot(rollout=new, replica_sets=()))[1] == "RolloutPaused"


def test_pause_of_a_complete_rollout_is_mentioned() -> None:
    rollout = deployment_status(paused=True, conditions=PAUSED)
    status, reason, message = told(snapshot(rollout=rollout))
    assert (status, reason) == ("True", "RolloutComplete")
    assert "changes are not rolled out until it is resumed: kubectl rollout resume -n ml deployment/iris." in message
    assert told(scaling(5, 3, paused=True, conditions=PAUSED))[0] == "True"


def test_pause_does_not_hide_a_problem_of_the_newest_revision() -> None:
    rollout = deployment_status(available=0, paused=True, conditions=PAUSED)
    assert told(snapshot(new_pod().crashed(), rollout=rollout))[1] == "CrashLoop"


def test_foreign_min_ready_seconds_are_named() -> None:
    rollout = deployment_status(available=0, min_ready_seconds=900)
    message = told(snapshot(new_pod(), rollout=rollout))[2]
    assert "Another client has set minReadySeconds of the Deployment to 900" in message
    assert 'kubectl patch -n ml deployment/iris -p \'{"spec":{"minReadySeconds":0}}\'' in message
    wished = IRIS.with_spec(rollout={"minReadySeconds": 900})
    assert "Another client" not in told(snapshot(new_pod(), rollout=rollout, service=wished))[2]


def test_foreign_ban_on_scaling_up_is_named() -> None:
    disabled = {"scaleUp": {"selectPolicy": "Disabled"}}
    banned = {"metadata": {"name": "iris"}, "spec": {"behavior": disabled}, "status": {"conditions": ACTIVE}}

    def ready(service: ModelServiceBuilder) -> tuple[str, str, str]:
        return told(snapshot(service=service, rollout=deployment_status(), autoscaler=banned), "AutoscalerReady")

    status, reason, message = ready(SCALED)
    assert (status, reason) == ("False", "ScalingDisabled")
    assert 'kubectl patch -n ml hpa/iris --type=json -p \'[{"op":"remove",' in message
    wished = IRIS.with_spec(autoscaling={"minReplicas": 2, "maxReplicas": 9, "behavior": disabled})
    assert ready(wished)[1] == "AutoscalerActive"


def test_foreign_scale_to_zero_is_not_ready() -> None:
    none = deployment_status(desired=0, replicas=0, ready=0, updated=0, available=0)
    status, reason, message = told(snapshot(service=SCALED, rollout=none))
    assert (status, reason) == ("False", "ScaledToZero")
    assert "kubectl scale -n ml deployment/iris --replicas=2" in message
    assert told(snapshot(service=EXTERNAL, rollout=none))[0] == "True"


def test_ready_condition_keeps_its_time_while_scaling() -> None:
    before = computed_status(scaling(2, 2))
    after = computed_status(scaling(9, 3), previous=before)
    assert (condition(before) or {})["lastTransitionTime"] == (condition(after) or {})["lastTransitionTime"]


SCALINGS = st.lists(
    st.integers(2, 9).flatmap(lambda desired: st.tuples(st.just(desired), st.integers(2, desired))), max_size=8
)


@given(scalings=SCALINGS, stuck=st.booleans())
def test_no_sequence_of_scalings_changes_ready(scalings: list[tuple[int, int]], *, stuck: bool) -> None:
    """Neither Ready nor an Event follows the load, while the minimum is available."""
    pod = new_pod().unschedulable(NO_ROOM) if stuck else new_pod().waiting("ContainerCreating")
    status = first = computed_status(scaling(2, 2))
    for desired, available in scalings:
        pods = (pod,) if available < desired else ()
        later = computed_status(scaling(desired, available, *pods), previous=status, now=NOW + timedelta(hours=1))
        assert events_for(status, later) == ()
        status = later
    before, after = condition(first) or {}, condition(status) or {}
    assert (before["status"], before["lastTransitionTime"]) == (after["status"], after["lastTransitionTime"])
