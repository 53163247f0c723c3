"""Who decides the number of replicas, and what it starts from: one rule for Deployment, autoscaler and budget."""

from enum import StrEnum

from modelservice_operator.api.v1alpha1.scaling import Autoscaling
from modelservice_operator.api.v1alpha1.spec import ModelService


class ReplicaOwner(StrEnum):
    """Who decides the number of replicas after the Deployment was made."""

    FIXED = "fixed"
    """`spec.replicas`."""
    AUTOSCALED = "autoscaled"
    """Our HorizontalPodAutoscaler."""
    EXTERNAL = "external"
    """Somebody else."""
    SUSPENDED = "suspended"
    """Nobody: there are none."""


def replica_owner(service: ModelService) -> ReplicaOwner:
    """Decide who decides."""
    if service.spec.suspend:
        return ReplicaOwner.SUSPENDED
    if service.spec.autoscaling is None:
        return ReplicaOwner.FIXED
    return ReplicaOwner.EXTERNAL if service.spec.autoscaling.managed_by == "External" else ReplicaOwner.AUTOSCALED


def initial_replicas(service: ModelService) -> int:
    """Replicas to start from: max(replicas, minReplicas), never above maxReplicas; none while suspended."""
    if service.spec.suspend:
        return 0
    options = service.spec.autoscaling or Autoscaling()
    start = max(service.spec.replicas, options.min_replicas or 0)
    return start if options.max_replicas is None else min(start, options.max_replicas)


def min_replicas(service: ModelService) -> int:
    """Replicas that there are at least: minReplicas, else replicas."""
    options = service.spec.autoscaling
    return service.spec.replicas if options is None or options.min_replicas is None else options.min_replicas
