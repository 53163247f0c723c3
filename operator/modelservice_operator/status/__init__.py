"""Computes the status of a ModelService from a snapshot of its objects. Pure: no I/O, the time is an argument."""

from modelservice_operator.status.autoscaling import requeue_after
from modelservice_operator.status.compute import compute_invalid_status, compute_status, is_only_unobserved
from modelservice_operator.status.diagnosis import pod_needing_events

__all__ = [
    "compute_invalid_status",
    "compute_status",
    "is_only_unobserved",
    "pod_needing_events",
    "requeue_after",
]
