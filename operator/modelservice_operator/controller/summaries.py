"""Summaries of the stored ModelServices that the metrics count: status and reason of Ready, of closed sets."""

from functools import cache
from typing import NamedTuple

from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.metrics.instruments import OTHER
from modelservice_operator.status.conditions import find_condition
from modelservice_operator.status.reasons import ConditionType, Reason

NO_STATUS = "Pending"
"""Reason of a ModelService without the condition Ready: the operator has not processed it yet."""
STATUSES = ("True", "False", "Unknown")
READY_REASONS = frozenset({*(reason.value for reason in Reason), NO_STATUS, OTHER})


class Readiness(NamedTuple):
    """Status and reason of the condition Ready, as labels."""

    ready: str
    reason: str


def summarize_readiness(service: Object) -> Readiness:
    """Return the readiness of a ModelService. Another client can write any text: it counts as `Other`."""
    ready = find_condition((service.get("status") or {}).get("conditions"), ConditionType.READY)
    if ready is None:
        return _readiness("Unknown", NO_STATUS)
    return _readiness(str(ready.get("status")), str(ready.get("reason")))


def _readiness(status: str, reason: str) -> Readiness:
    return _shared(status if status in STATUSES else "Unknown", reason if reason in READY_REASONS else OTHER)


@cache
def _shared(status: str, reason: str) -> Readiness:
    """Return one object for equal values: each ModelService refers to one."""
    return Readiness(status, reason)
