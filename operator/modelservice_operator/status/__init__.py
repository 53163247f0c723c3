"""Computes the status of a ModelService from a snapshot of its objects. Pure: no I/O, the time is an argument."""

from modelservice_operator.status.compute import (
    compute_invalid_status,
    compute_status,
    is_only_unobserved,
    requeue_after,
)
from modelservice_operator.status.diagnosis import Diagnosis, diagnose

__all__ = [
    "Diagnosis",
    "compute_invalid_status",
    "compute_status",
    "diagnose",
    "is_only_unobserved",
    "requeue_after",
]
