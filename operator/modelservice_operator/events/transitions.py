"""What is worth an Event: transitions between two statuses, and corrections. Pure; nothing is said while all rests."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from modelservice_operator.status.reasons import ConditionType, Reason
from modelservice_operator.status.snapshot import Drift
from modelservice_operator.status.text import quote

LONGEST_NOTE = 1024
"""Bytes of an Event's note (events.k8s.io/v1, validation)."""


class Topic(StrEnum):
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
class Announcement:
    """One Event: `action` is what the operator did, `note` a sentence for people."""

    topic: Topic
    action: str
    note: str
    type: Literal["Normal", "Warning"] = "Normal"


_ON_THE_WAY = frozenset({Reason.DEPLOYMENT_PENDING, Reason.ROLLOUT_IN_PROGRESS, Reason.STARTING, Reason.RETRYING})
"""Reasons of Ready that are no failure: time heals them."""


def announcements(previous: Mapping[str, Any], current: Mapping[str, Any]) -> tuple[Announcement, ...]:
    """What two consecutive statuses of one ModelService tell; empty when nothing has changed over."""
    found = (_created, _rollout_started, _model_loaded, _ready)
    return tuple(told for tell in found if (told := tell(previous, current)) is not None)


def corrected(drifts: Iterable[Drift]) -> tuple[Announcement, ...]:
    """What was set back, and who had changed it."""
    return tuple(
        Announcement(
            Topic.DRIFT_CORRECTED,
            "Correct",
            f"{drift.kind}: {quote(drift.field)} was changed by {quote(drift.manager or 'somebody')} and is set back.",
        )
        for drift in drifts
    )


def _created(previous: Mapping[str, Any], current: Mapping[str, Any]) -> Announcement | None:
    if _generation(previous) >= 0 or _failed(current):
        return None
    kinds = [resource["kind"] for resource in current.get("resources") or ()]
    return Announcement(Topic.CREATED, "Create", f"Made {_listed(kinds)}.")


def _rollout_started(previous: Mapping[str, Any], current: Mapping[str, Any]) -> Announcement | None:
    generation = _generation(current)
    if not 0 <= _generation(previous) < generation or _is_ready(current) or _failed(current):
        return None
    note = f"Generation {generation} is on its way: {_of(current, ConditionType.READY).get('message')}"
    return Announcement(Topic.ROLLOUT_STARTED, "Update", note)


def _model_loaded(previous: Mapping[str, Any], current: Mapping[str, Any]) -> Announcement | None:
    before, after = (_of(status, ConditionType.MODEL_LOADED) for status in (previous, current))
    if after.get("status") != "True" or before.get("status") == "True":
        return None
    return Announcement(Topic.MODEL_LOADED, "Load", str(after.get("message")))


def _ready(previous: Mapping[str, Any], current: Mapping[str, Any]) -> Announcement | None:
    before, after = (_of(status, ConditionType.READY) for status in (previous, current))
    message = str(after.get("message"))
    if _is_ready(current):
        return None if _is_ready(previous) else Announcement(Topic.ROLLOUT_COMPLETE, "Update", message)
    if not _failed(current) or before.get("reason") == after.get("reason"):
        return None
    if after.get("reason") == Reason.NAME_CONFLICT:
        return Announcement(Topic.NAME_CONFLICT, "Refuse", message, "Warning")
    return Announcement(Topic.FAILED, "Judge", f"{after.get('reason')}: {message}", "Warning")


def _generation(status: Mapping[str, Any]) -> int:
    """Generation that a status is about; -1 when nobody has written one (the schema's default)."""
    return int(status.get("observedGeneration", -1))


def _is_ready(status: Mapping[str, Any]) -> bool:
    return _of(status, ConditionType.READY).get("status") == "True"


def _failed(status: Mapping[str, Any]) -> bool:
    return not _is_ready(status) and _of(status, ConditionType.READY).get("reason") not in _ON_THE_WAY


def _of(status: Mapping[str, Any], kind: ConditionType) -> Mapping[str, Any]:
    return next((entry for entry in status.get("conditions") or () if entry["type"] == kind), {})


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
