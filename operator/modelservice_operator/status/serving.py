"""Decides if a ModelService serves: its newest revision was rolled out, and its required replicas are available.

Replicas that an autoscaler adds are not required: load changes their number, and says nothing about the rollout.
"""

from modelservice_operator.resources.replicas import ReplicaOwner, replica_owner, required_replicas
from modelservice_operator.status.conditions import Explanation
from modelservice_operator.status.diagnosis import Diagnosis
from modelservice_operator.status.findings import Finding
from modelservice_operator.status.reasons import Reason
from modelservice_operator.status.snapshot import Snapshot


def is_serving(snapshot: Snapshot, diagnosis: Diagnosis) -> bool:
    """Return True if the newest revision was complete once, and as many replicas are available as are required.

    Without an autoscaler all replicas are required. With a minimum of 0, a replica that starts on demand must have no
    problem.
    """
    rollout = snapshot.rollout
    if rollout is None or not rollout.rolled_out or rollout.available < required_count(snapshot):
        return False
    if not _follows_load(snapshot):
        return rollout.complete
    return bool(rollout.available) or rollout.desired == 0 or lasting_problem(diagnosis) is None


def required_count(snapshot: Snapshot) -> int:
    """Return the replicas that must be available. A foreign autoscaler of a fixed number may use any other one."""
    is_foreign = replica_owner(snapshot.service) is ReplicaOwner.FIXED and snapshot.foreign_autoscalers
    return 0 if is_foreign else required_replicas(snapshot.service)


def _follows_load(snapshot: Snapshot) -> bool:
    """Return True if an autoscaler sets the replicas."""
    owner = replica_owner(snapshot.service)
    if owner is ReplicaOwner.FIXED:
        return bool(snapshot.foreign_autoscalers)
    return owner is not ReplicaOwner.SUSPENDED


def scale_up_problem(snapshot: Snapshot, diagnosis: Diagnosis) -> Explanation | None:
    """Explain why replicas beyond the required ones are missing; None if none is, or if they are starting."""
    rollout, problem = snapshot.rollout, lasting_problem(diagnosis)
    if rollout is None or problem is None or rollout.available >= rollout.desired:
        return None
    if not is_serving(snapshot, diagnosis):
        return None  # Ready reports it
    text = problem.text[0].upper() + problem.text[1:]
    return Explanation(problem.reason, f"{rollout.available} of {rollout.desired} replicas are available. {text}")


def lasting_problem(diagnosis: Diagnosis) -> Finding | None:
    """Return the problem of the pods, unless they are only starting."""
    problem = diagnosis.problem
    return None if problem is None or problem.reason is Reason.STARTING else problem
