"""What judgement is made of."""

from dataclasses import dataclass

from modelservice_operator.status.reasons import Reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy found: one word for programs, a sentence for people."""

    reason: Reason
    message: str
    stalled: bool = False
    """No retry can heal it: a person has to act."""
