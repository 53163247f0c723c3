"""What a judgement says: one word for programs, a sentence for people."""

from dataclasses import dataclass

from modelservice_operator.status.reasons import Reason


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a condition has its status."""

    reason: Reason
    message: str
    stalled: bool = False
    """No retry can heal it: a person has to act."""
