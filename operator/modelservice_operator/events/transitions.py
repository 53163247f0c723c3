"""What is worth an Event: transitions between two statuses, and corrections. Pure; nothing is said while all rests."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from modelservice_operator.resources.diff import Drift
from modelservice_operator.status.reasons import ConditionType, Reason
from modelservice_operator.status.text import truncate

MAX_NOTE_BYTES = 1024
"""Bytes of an Event's note (events.k8s.io/v1, validation)."""


class EventReason(StrEnum):
    """Reasons of Events."""

    CREATED = "Created"
    """The children were made."""
    MODEL_LOADED = "ModelLoaded"
    """The model of this revision is there."""
    ROLLOUT_STARTED = "RolloutStarted"
    """A new generation is on its way."""
    ROLLOUT_COMPLETE = "RolloutComplete"
    """The newest generation serves."""
    FAILED = "Failed"
    """Something keeps it from being ready; the note begins with the condition's reason."""
    NAME_CONFLICT = "NameConflict"
    """A child's name is taken."""
    DRIFT_CORRECTED = "DriftCorrected"
    """Somebody changed a field of a child; it was set back."""


@dataclass(frozen=True, slots=True)
class EventSpec:
    """One Event: `action` is what the operator did, `note` a sentence for people."""

    reason: EventReason
    action: str
    note: str
    type: Literal["Normal", "Warning"] = "Normal"


_IN_PROGRESS_REASONS = frozenset(
    {Reason.DEPLOYMENT_PENDING, Reason.ROLLOUT_IN_PROGRESS, Reason.STARTING, Reason.RETRYING}
)
"""Reasons of Ready that are no failure: time heals them."""


def events_for(previous: Mapping[str, Any], current: Mapping[str, Any]) -> tuple[EventSpec, ...]:
    """What two consecutive statuses of one ModelService tell; empty when nothing has changed over."""
    found = (_created_event, _rollout_started_event, _model_loaded_event, _ready_event)
    return tuple(told for tell in found if (told := tell(previous, current)) is not None)


def drift_events(drifts: Iterable[Drift]) -> tuple[EventSpec, ...]:
    """What was set back, and who had changed it."""
    return tuple(
        EventSpec(
            EventReason.DRIFT_CORRECTED,
            "RevertDrift",
            f"Reverted {truncate(drift.field)} of {drift.kind},"
            f" changed by {truncate(drift.manager or 'another client')}.",
        )
        for drift in drifts
    )


def _created_event(previous: Mapping[str, Any], current: Mapping[str, Any]) -> EventSpec | None:
    if _generation(previous) >= 0 or _has_failed(current):
        return None
    kinds = [resource["kind"] for resource in current.get("resources") or ()]
    return EventSpec(EventReason.CREATED, "Create", f"Created {_join_names(kinds)}.")


def _rollout_started_event(previous: Mapping[str, Any], current: Mapping[str, Any]) -> EventSpec | None:
    generation = _generation(current)
    if not 0 <= _generation(previous) < generation or _is_ready(current) or _has_failed(current):
        return None
    note = f"Rolling out generation {generation}: {_condition(current, ConditionType.READY).get('message')}"
    return EventSpec(EventReason.ROLLOUT_STARTED, "Update", note)


def _model_loaded_event(previous: Mapping[str, Any], current: Mapping[str, Any]) -> EventSpec | None:
    before, after = (_condition(status, ConditionType.MODEL_LOADED) for status in (previous, current))
    if after.get("status") != "True" or before.get("status") == "True":
        return None
    return EventSpec(EventReason.MODEL_LOADED, "Load", str(after.get("message")))


def _ready_event(previous: Mapping[str, Any], current: Mapping[str, Any]) -> EventSpec | None:
    before, after = (_condition(status, ConditionType.READY) for status in (previous, current))
    message = str(after.get("message"))
    if _is_ready(current):
        return None if _is_ready(previous) else EventSpec(EventReason.ROLLOUT_COMPLETE, "Update", message)
    if not _has_failed(current) or before.get("reason") == after.get("reason"):
        return None
    if after.get("reason") == Reason.NAME_CONFLICT:
        return EventSpec(EventReason.NAME_CONFLICT, "Reconcile", message, "Warning")
    return EventSpec(EventReason.FAILED, "Reconcile", f"{after.get('reason')}: {message}", "Warning")


def _generation(status: Mapping[str, Any]) -> int:
    """Generation that a status is about; -1 when nobody has written one (the schema's default)."""
    return int(status.get("observedGeneration", -1))


def _is_ready(status: Mapping[str, Any]) -> bool:
    return _condition(status, ConditionType.READY).get("status") == "True"


def _has_failed(status: Mapping[str, Any]) -> bool:
    return not _is_ready(status) and _condition(status, ConditionType.READY).get("reason") not in _IN_PROGRESS_REASONS


def _condition(status: Mapping[str, Any], kind: ConditionType) -> Mapping[str, Any]:
    return next((entry for entry in status.get("conditions") or () if entry["type"] == kind), {})


def _join_names(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
