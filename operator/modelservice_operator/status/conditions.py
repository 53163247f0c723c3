"""Builds, merges and finds conditions (metav1.Condition)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.status.reasons import ConditionType, Reason

MAX_MESSAGE_CHARS = 1024
"""Characters of a message, which is read in a terminal. The schema allows 32768 (metav1.Condition)."""
_STATUSES = {True: "True", False: "False", None: "Unknown"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """Reason and message of a condition."""

    reason: Reason
    message: str
    stalled: bool = False
    """A retry cannot succeed: a user must act (kstatus, Stalled)."""


def build_condition(
    kind: ConditionType, *, status: bool | None, explanation: Explanation, generation: int
) -> dict[str, Any]:
    """Build a condition without its transition time. `status` None means Unknown."""
    message = explanation.message
    if len(message) > MAX_MESSAGE_CHARS:
        message = message[: MAX_MESSAGE_CHARS - 1] + "…"
    return {
        "type": str(kind),
        "status": _STATUSES[status],
        "observedGeneration": generation,
        "reason": str(explanation.reason),
        "message": message,
    }


def find_condition(conditions: Iterable[Mapping[str, Any]] | None, kind: str) -> Mapping[str, Any] | None:
    """Return the condition of type `kind`; None if there is none."""
    return next((condition for condition in conditions or () if condition.get("type") == kind), None)


def merge_conditions(
    *, previous: Iterable[Mapping[str, Any]], current: Iterable[Object], now: datetime
) -> list[Object]:
    """Add transition times to `current`: the previous time if the status is the same, otherwise `now` (UTC)."""
    old = {condition["type"]: condition for condition in previous}
    timestamp = f"{now.replace(microsecond=0, tzinfo=None).isoformat()}Z"
    return [
        condition | {"lastTransitionTime": _transition_time(old.get(condition["type"]), condition) or timestamp}
        for condition in current
    ]


def _transition_time(old: Mapping[str, Any] | None, new: Object) -> str | None:
    """Return the transition time of `old` if the status did not change."""
    return old.get("lastTransitionTime") if old is not None and old.get("status") == new["status"] else None
