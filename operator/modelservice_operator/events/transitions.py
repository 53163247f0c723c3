"""Derives Events from two consecutive statuses and from corrected drift. Pure: no Event is sent here.

An Event is derived only for a transition, so nothing is sent while nothing changes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from modelservice_operator.apimachinery.text import sanitize, truncate_bytes
from modelservice_operator.resources.diff import Drift
from modelservice_operator.status.conditions import find_condition
from modelservice_operator.status.reasons import ConditionType, Reason
from modelservice_operator.status.text import truncate

MAX_NOTE_BYTES = 1024
"""Bytes of an Event's note (kubernetes, pkg/apis/core/validation/events.go, NoteLengthLimit)."""


class EventReason(StrEnum):
    """Reasons of Events."""

    CREATED = "Created"
    """The children were created."""
    MODEL_LOADED = "ModelLoaded"
    """The model of this revision is loaded."""
    ROLLOUT_STARTED = "RolloutStarted"
    """The rollout of a new generation has started."""
    ROLLOUT_COMPLETE = "RolloutComplete"
    """All replicas of the newest generation are available."""
    FAILED = "Failed"
    """The ModelService is not ready; the note begins with the reason of the condition."""
    TRACKING_FAILED = "TrackingFailed"
    """A check of the URI of an auto-updated model failed; the note begins with the reason of the condition."""
    NAME_CONFLICT = "NameConflict"
    """An object with the name of a child exists and is not owned by the ModelService."""
    DRIFT_CORRECTED = "DriftCorrected"
    """Another client changed a field of a child, or the status; the change was reverted."""


EventType = Literal["Normal", "Warning"]


@dataclass(frozen=True, slots=True)
class EventSpec:
    """One Event (events.k8s.io/v1): `action` is what the operator did, `note` the human-readable message."""

    reason: EventReason
    action: str
    note: str
    type: EventType = "Normal"


_IN_PROGRESS_REASONS = frozenset(
    {
        Reason.DEPLOYMENT_PENDING,
        Reason.ROLLOUT_IN_PROGRESS,
        Reason.SCHEDULING_GATED,
        Reason.STARTING,
        Reason.RETRYING,
    }
)
"""Reasons of Ready=False that are not failures: they end without manual action."""


def events_for(previous: Mapping[str, Any], current: Mapping[str, Any]) -> tuple[EventSpec, ...]:
    """Return the Events for the transition between two consecutive statuses of one ModelService."""
    builders = (_created_event, _rollout_started_event, _model_loaded_event, _tracking_event, _ready_event)
    return tuple(event for build in builders if (event := build(previous, current)) is not None)


def drift_events(drifts: Iterable[Drift]) -> tuple[EventSpec, ...]:
    """Return one Event for each corrected drift."""
    return tuple(_drift_event(drift) for drift in drifts)


def _event(reason: EventReason, action: str, note: str, event_type: EventType = "Normal") -> EventSpec:
    """Build an Event. A note that is too long is shortened: the API server would reject the Event."""
    return EventSpec(reason, action, truncate_bytes(sanitize(note, MAX_NOTE_BYTES + 1), MAX_NOTE_BYTES), event_type)


def _drift_event(drift: Drift) -> EventSpec:
    client = truncate(drift.manager or "another client")
    note = f"Reverted {truncate(drift.field)} of {drift.kind}, changed by {client}."
    return _event(EventReason.DRIFT_CORRECTED, "RevertDrift", note)


def _created_event(previous: Mapping[str, Any], current: Mapping[str, Any]) -> EventSpec | None:
    if _generation(previous) >= 0 or _has_failed(current):
        return None
    kinds = [resource["kind"] for resource in current.get("resources") or ()]
    return _event(EventReason.CREATED, "Create", f"Created {_join_names(kinds)}.")


def _rollout_started_event(previous: Mapping[str, Any], current: Mapping[str, Any]) -> EventSpec | None:
    generation = _generation(current)
    if not 0 <= _generation(previous) < generation or _is_ready(current) or _has_failed(current):
        return None
    note = f"Rolling out generation {generation}: {_condition(current, ConditionType.READY).get('message')}"
    return _event(EventReason.ROLLOUT_STARTED, "Update", note)


def _model_loaded_event(previous: Mapping[str, Any], current: Mapping[str, Any]) -> EventSpec | None:
    before, after = (_condition(status, ConditionType.MODEL_LOADED) for status in (previous, current))
    if after.get("status") != "True" or before.get("status") == "True":
        return None
    return _event(EventReason.MODEL_LOADED, "Load", str(after.get("message")))


def _tracking_event(previous: Mapping[str, Any], current: Mapping[str, Any]) -> EventSpec | None:
    before, after = (_condition(status, ConditionType.MODEL_TRACKED) for status in (previous, current))
    if after.get("status") != "False" or (before.get("status"), before.get("reason")) == ("False", after.get("reason")):
        return None
    return _event(EventReason.TRACKING_FAILED, "Check", f"{after.get('reason')}: {after.get('message')}", "Warning")


def _ready_event(previous: Mapping[str, Any], current: Mapping[str, Any]) -> EventSpec | None:
    before, after = (_condition(status, ConditionType.READY) for status in (previous, current))
    message = str(after.get("message"))
    if _is_ready(current):
        return None if _is_ready(previous) else _event(EventReason.ROLLOUT_COMPLETE, "Update", message)
    if not _has_failed(current) or before.get("reason") == after.get("reason"):
        return None
    if after.get("reason") == Reason.NAME_CONFLICT:
        return _event(EventReason.NAME_CONFLICT, "Reconcile", message, "Warning")
    return _event(EventReason.FAILED, "Reconcile", f"{after.get('reason')}: {message}", "Warning")


def _generation(status: Mapping[str, Any]) -> int:
    """Return the generation that a status was computed from; -1 before the first one (default of the schema)."""
    return int(status.get("observedGeneration", -1))


def _is_ready(status: Mapping[str, Any]) -> bool:
    return _condition(status, ConditionType.READY).get("status") == "True"


def _has_failed(status: Mapping[str, Any]) -> bool:
    return not _is_ready(status) and _condition(status, ConditionType.READY).get("reason") not in _IN_PROGRESS_REASONS


def _condition(status: Mapping[str, Any], kind: ConditionType) -> Mapping[str, Any]:
    """Return a condition of a status; empty if it is not set."""
    return find_condition(status.get("conditions"), kind) or {}


def _join_names(names: list[str]) -> str:
    """Return "a, b and c"; empty for no names."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
