"""Judgement: pure functions from what was observed to the status that a person reads. No I/O; the time comes in."""

from modelservice_operator.status.announcements import Announcement, announcements, corrected
from modelservice_operator.status.autoscaling import next_look
from modelservice_operator.status.diagnosis import untold
from modelservice_operator.status.judge import is_merely_unseen, judge, judge_invalid
from modelservice_operator.status.resolution import resolution

__all__ = [
    "Announcement",
    "announcements",
    "corrected",
    "is_merely_unseen",
    "judge",
    "judge_invalid",
    "next_look",
    "resolution",
    "untold",
]
