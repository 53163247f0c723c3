"""Transitions become Events; whatever lasts does not."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelservice_operator.errors import ForbiddenError, NameConflictError
from modelservice_operator.events.transitions import EventReason, drift_events, events_for
from modelservice_operator.resources.diff import Drift
from modelservice_operator.status.conditions import MAX_MESSAGE_CHARS
from modelservice_operator.status.reasons import Reason
from modelservice_operator.status.snapshot import Snapshot
from tests.support.pods import new_pod
from tests.support.snapshot_strategies import SNAPSHOTS
from tests.support.snapshots import IRIS, computed_status, deployment_status, snapshot

NEW = computed_status(snapshot(service=IRIS.with_generation(1)))
READY = computed_status(snapshot(rollout=deployment_status()))
ROLLING = computed_status(snapshot())
CRASHING = computed_status(snapshot(new_pod().crashed(message="no model")))
TAKEN = computed_status(snapshot(failure=NameConflictError("Service iris exists.")))
FORBIDDEN = computed_status(snapshot(failure=ForbiddenError("No rights.")))
LATER = computed_status(snapshot(service=IRIS.with_generation(4)))
LATER_READY = computed_status(snapshot(rollout=deployment_status(), service=IRIS.with_generation(4)))
FRESH = {"observedGeneration": -1}


def loaded(status: dict[str, Any], value: str) -> dict[str, Any]:
    return status | {
        "conditions": [*status["conditions"], {"type": "ModelLoaded", "status": value, "message": "3 MiB"}]
    }


def tracked(value: str, reason: str) -> dict[str, Any]:
    entry = {"type": "ModelTracked", "status": value, "reason": reason, "message": "No."}
    return READY | {"conditions": [*READY["conditions"], entry]}


@pytest.mark.parametrize(
    ("previous", "current", "reasons"),
    [
        (FRESH, NEW, ["Created"]),
        ({}, NEW, ["Created"]),
        (FRESH, READY, ["Created", "RolloutComplete"]),
        (FRESH, TAKEN, ["NameConflict"]),
        (TAKEN, ROLLING, []),
        (ROLLING, READY, ["RolloutComplete"]),
        (READY, LATER, ["RolloutStarted"]),
        (READY, LATER_READY, []),
        (LATER, LATER_READY, ["RolloutComplete"]),
        (ROLLING, CRASHING, ["Failed"]),
        (READY, CRASHING, ["Failed"]),
        (CRASHING, FORBIDDEN, ["Failed"]),
        (CRASHING, ROLLING, []),
        (loaded(ROLLING, "False"), loaded(ROLLING, "True"), ["ModelLoaded"]),
        (loaded(ROLLING, "True"), loaded(ROLLING, "True"), []),
        (READY, tracked("Unknown", "TrackingPending"), []),
        (tracked("True", "TrackingActive"), tracked("False", "AccessDenied"), ["TrackingFailed"]),
        (tracked("False", "AccessDenied"), tracked("False", "AccessDenied"), []),
        (tracked("False", "AccessDenied"), tracked("False", "ImagePull"), ["TrackingFailed"]),
        (tracked("False", "AccessDenied"), tracked("True", "TrackingActive"), []),
    ],
)
def test_transition_gives_its_events_once(
    previous: dict[str, Any], current: dict[str, Any], reasons: list[str]
) -> None:
    assert [str(event.reason) for event in events_for(previous, current)] == reasons


@settings(max_examples=100, deadline=None)
@given(SNAPSHOTS)
def test_unchanged_status_gives_no_event(found: Snapshot) -> None:
    status = computed_status(found)
    assert events_for(status, computed_status(found, previous=status)) == ()


def test_failure_is_a_warning_with_its_reason() -> None:
    [event] = events_for(ROLLING, CRASHING)
    assert (event.type, event.note[:25]) == ("Warning", "CrashLoop: The only pod: ")


def test_wait_behind_a_scheduling_gate_is_not_a_failure() -> None:
    gated = computed_status(snapshot(new_pod().gated("kueue.x-k8s.io/admission")), previous=ROLLING)
    assert events_for(ROLLING, gated) == ()


def test_created_event_names_the_children() -> None:
    assert events_for(FRESH, NEW)[0].note == "Created Deployment and Service."


@pytest.mark.parametrize(("manager", "client"), [("kubectl-edit", "kubectl-edit"), (None, "another client")])
def test_drift_event_names_field_and_manager(manager: str | None, client: str) -> None:
    [event] = drift_events([Drift(kind="Service", field="spec.type", manager=manager)])
    assert event.reason is EventReason.DRIFT_CORRECTED
    assert event.note == f"Reverted spec.type of Service, changed by {client}."


LONG_TEXTS = st.integers(0, 40).flatmap(lambda size: st.text(min_size=size, max_size=size).map(lambda text: text * 30))
"""Texts of up to 1200 characters; many of them take two to four bytes a character."""
CONDITIONS = st.builds(
    lambda kind, status, reason, message: {"type": kind, "status": status, "reason": reason, "message": message},
    st.sampled_from(["Ready", "ModelLoaded"]),
    st.sampled_from(["True", "False", "Unknown"]),
    st.sampled_from([str(reason) for reason in Reason]),
    LONG_TEXTS.map(lambda text: text[:MAX_MESSAGE_CHARS]),
)
STATUSES = st.fixed_dictionaries(
    {},
    optional={
        "observedGeneration": st.integers(-1, 3),
        "conditions": st.lists(CONDITIONS, max_size=2, unique_by=lambda one: one["type"]),
        "resources": st.just([{"kind": "Deployment", "name": "iris"}]),
    },
)
DRIFTS = st.builds(Drift, kind=st.just("Deployment"), field=LONG_TEXTS, manager=st.none() | LONG_TEXTS)


@given(STATUSES, STATUSES, st.lists(DRIFTS, max_size=2))
def test_notes_fit_into_an_event(previous: dict[str, Any], current: dict[str, Any], drifts: list[Drift]) -> None:
    """The API server rejects longer ones (kubernetes, pkg/apis/core/validation/events.go, NoteLengthLimit)."""
    for event in (*events_for(previous, current), *drift_events(drifts)):
        assert len(event.note.encode()) <= 1024
