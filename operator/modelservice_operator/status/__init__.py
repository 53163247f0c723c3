"""Computes the status of a ModelService from a snapshot of its objects. Pure: no I/O, the time is an argument."""

from modelservice_operator.status.autoscaling import next_look
from modelservice_operator.status.compute import is_merely_unseen, judge, judge_invalid
from modelservice_operator.status.diagnosis import untold

__all__ = [
    "is_merely_unseen",
    "judge",
    "judge_invalid",
    "next_look",
    "untold",
]
