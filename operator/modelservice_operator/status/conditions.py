"""metav1.Condition: building, and merging with the previous ones so that a transition time moves only on a flip."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelservice_operator.status.reasons import ConditionType, Reason

Condition = dict[str, Any]

MAX_MESSAGE_CHARS = 1024
"""A message is read in a terminal; the schema would allow more."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a condition has its status."""

    reason: Reason
    message: str
    stalled: bool = False
    """No retry can heal it: a person has to act."""


_STATUSES = {True: "True", False: "False", None: "Unknown"}


def build_condition(kind: ConditionType, *, status: bool | None, verdict: Explanation, generation: int) -> Condition:
    """One condition, still without its transition time. `status` None: that cannot be known yet."""
    message = verdict.message
    if len(message) > MAX_MESSAGE_CHARS:
        message = message[: MAX_MESSAGE_CHARS - 1] + "…"
    return {
        "type": str(kind),
        "status": _STATUSES[status],
        "observedGeneration": generation,
        "reason": str(verdict.reason),
        "message": message,
    }


def merge_conditions(
    *, previous: Iterable[Mapping[str, Any]], current: Iterable[Condition], now: datetime
) -> list[Condition]:
    """`current` with transition times: the previous one while the status is the same, `now` (UTC) otherwise."""
    before = {old["type"]: old for old in previous}
    moment = f"{now.replace(microsecond=0, tzinfo=None).isoformat()}Z"
    return [entry | {"lastTransitionTime": _since(before.get(entry["type"]), entry) or moment} for entry in current]


def _since(old: Mapping[str, Any] | None, new: Condition) -> str | None:
    """When the condition got the status that it has; None when it gets it now."""
    return old.get("lastTransitionTime") if old is not None and old.get("status") == new["status"] else None
