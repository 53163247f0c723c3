"""Who decides the number of replicas, and what it starts from: one rule for Deployment, autoscaler and budget."""

from enum import StrEnum

from modelservice_operator.api.v1alpha1.scaling import Autoscaling
from modelservice_operator.api.v1alpha1.spec import ModelService


class Scaling(StrEnum):
    """Who decides the number of replicas after the Deployment was made."""

    FIXED = "fixed"
    """`spec.replicas`."""
    AUTOSCALED = "autoscaled"
    """Our HorizontalPodAutoscaler."""
    EXTERNAL = "external"
    """Somebody else."""
    SUSPENDED = "suspended"
    """Nobody: there are none."""


def scaling(service: ModelService) -> Scaling:
    """Decide who decides."""
    if service.spec.suspend:
        return Scaling.SUSPENDED
    if service.spec.autoscaling is None:
        return Scaling.FIXED
    return Scaling.EXTERNAL if service.spec.autoscaling.managed_by == "External" else Scaling.AUTOSCALED


def starting_replicas(service: ModelService) -> int:
    """Replicas to start from: max(replicas, minReplicas), never above maxReplicas; none while suspended."""
    if service.spec.suspend:
        return 0
    options = service.spec.autoscaling or Autoscaling()
    start = max(service.spec.replicas, options.min_replicas or 0)
    return start if options.max_replicas is None else min(start, options.max_replicas)


def floor(service: ModelService) -> int:
    """Replicas that there are at least: minReplicas, else replicas."""
    options = service.spec.autoscaling
    return service.spec.replicas if options is None or options.min_replicas is None else options.min_replicas
