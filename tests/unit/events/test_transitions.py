"""Transitions become Events; whatever lasts does not."""

from typing import Any

import pytest
from hypothesis import given, settings

from modelservice_operator.errors import Forbidden, NameConflict
from modelservice_operator.events.transitions import Topic, announcements, corrected
from modelservice_operator.status.snapshot import Drift, Observed
from tests.support.pods import a_pod
from tests.support.snapshots import IRIS, a_rollout, judged, observed
from tests.unit.status.test_laws import OBSERVED

NEW = judged(observed(service=IRIS.of_generation(1)))
READY = judged(observed(rollout=a_rollout()))
ROLLING = judged(observed())
CRASHING = judged(observed(a_pod().crashed(message="no model")))
TAKEN = judged(observed(failure=NameConflict("Service iris exists.")))
FORBIDDEN = judged(observed(failure=Forbidden("No rights.")))
LATER = judged(observed(service=IRIS.of_generation(4)))
LATER_READY = judged(observed(rollout=a_rollout(), service=IRIS.of_generation(4)))
FRESH = {"observedGeneration": -1}


def loaded(status: dict[str, Any], value: str) -> dict[str, Any]:
    return status | {
        "conditions": [*status["conditions"], {"type": "ModelLoaded", "status": value, "message": "3 MiB"}]
    }


@pytest.mark.parametrize(
    ("previous", "current", "topics"),
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
    ],
)
def test_a_transition_is_told_once(previous: dict[str, Any], current: dict[str, Any], topics: list[str]) -> None:
    assert [str(told.topic) for told in announcements(previous, current)] == topics


@settings(max_examples=100, deadline=None)
@given(OBSERVED)
def test_at_rest_nothing_is_told(found: Observed) -> None:
    status = judged(found)
    assert announcements(status, judged(found, previous=status)) == ()


def test_a_failure_is_a_warning_with_its_reason() -> None:
    [told] = announcements(ROLLING, CRASHING)
    assert (told.type, told.note[:25]) == ("Warning", "CrashLoop: The only pod: ")


def test_creation_names_the_children() -> None:
    assert announcements(FRESH, NEW)[0].note == "Made Deployment and Service."


@pytest.mark.parametrize(("manager", "who"), [("kubectl-edit", "kubectl-edit"), (None, "somebody")])
def test_drift_names_the_field_and_who_changed_it(manager: str | None, who: str) -> None:
    [told] = corrected([Drift(kind="Service", field="spec.type", manager=manager)])
    assert told.topic is Topic.DRIFT_CORRECTED
    assert told.note == f"Service: spec.type was changed by {who} and is set back."
