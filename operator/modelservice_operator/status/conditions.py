"""Builds, merges and finds conditions (metav1.Condition)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apimachinery.text import sanitize
from modelservice_operator.status.reasons import ConditionType, Reason

MAX_MESSAGE_CHARS = 1024
"""Characters of a message, which is read in a terminal. The schema allows 32768 (metav1.Condition)."""
MAX_CONDITIONS = 32
"""Conditions that the schema allows. The operator's own come first: a status with more would be rejected."""
_OWN_TYPES = frozenset(map(str, ConditionType))
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
    message = sanitize(explanation.message, MAX_MESSAGE_CHARS + 1)
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


def parse_condition(condition: Mapping[str, Any] | None) -> tuple[bool | None, Explanation] | None:
    """Return status and explanation of a stored condition; None if there is none, or its reason is not known here."""
    reasons = {str(reason): reason for reason in Reason}
    if condition is None or condition.get("reason") not in reasons:
        return None  # another version of the operator may have written it
    status = {text: value for value, text in _STATUSES.items()}.get(condition.get("status", ""))
    return status, Explanation(reasons[condition["reason"]], str(condition.get("message", "")))


def merge_conditions(
    *, previous: Iterable[Mapping[str, Any]], current: Iterable[Object], now: datetime
) -> list[Object]:
    """Return `current`, followed by the conditions of other controllers in `previous`, which several may write.

    A transition time is the previous one if the status is the same, otherwise `now` (UTC). The list is a map by type:
    if only the order differs, that of `previous` is kept, so that another client's order causes no write.
    """
    before = [dict(condition) for condition in previous]
    old = {condition.get("type"): condition for condition in before}
    timestamp = f"{now.replace(microsecond=0, tzinfo=None).isoformat()}Z"
    own = [
        condition | {"lastTransitionTime": _transition_time(old.get(condition["type"]), condition) or timestamp}
        for condition in current
    ]
    merged = own + _foreign_conditions(before)[: MAX_CONDITIONS - len(own)]
    is_same = len(merged) == len(before) and all(condition in merged for condition in before)
    return before if is_same else merged


def _foreign_conditions(conditions: Iterable[Object]) -> list[Object]:
    """Return the conditions of types that the operator does not set."""
    return [condition for condition in conditions if condition.get("type") not in _OWN_TYPES]


def _transition_time(old: Mapping[str, Any] | None, new: Object) -> str | None:
    """Return the transition time of `old` if the status did not change."""
    return old.get("lastTransitionTime") if old is not None and old.get("status") == new["status"] else None
