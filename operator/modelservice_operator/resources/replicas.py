"""Owner of the replica count, initial and minimum replicas: shared by Deployment, autoscaler and budget."""

from enum import StrEnum

from modelservice_operator.api.v1alpha1.scaling import Autoscaling
from modelservice_operator.api.v1alpha1.spec import ModelService


class ReplicaOwner(StrEnum):
    """Owner of the replica count after the Deployment was created."""

    FIXED = "fixed"
    """The operator sets `spec.replicas`."""
    AUTOSCALED = "autoscaled"
    """The HorizontalPodAutoscaler of this ModelService."""
    EXTERNAL = "external"
    """Another controller, such as KEDA."""
    SUSPENDED = "suspended"
    """The operator sets 0."""


def replica_owner(service: ModelService) -> ReplicaOwner:
    """Return the owner of the replica count."""
    if service.spec.suspend:
        return ReplicaOwner.SUSPENDED
    if service.spec.autoscaling is None:
        return ReplicaOwner.FIXED
    return ReplicaOwner.EXTERNAL if service.spec.autoscaling.managed_by == "External" else ReplicaOwner.AUTOSCALED


def initial_replicas(service: ModelService) -> int:
    """Return the initial replicas: max(replicas, minReplicas), at most maxReplicas; 0 while suspended."""
    if service.spec.suspend:
        return 0
    options = service.spec.autoscaling or Autoscaling.default()
    start = max(service.spec.replicas, options.min_replicas or 0)
    return start if options.max_replicas is None else min(start, options.max_replicas)


def required_replicas(service: ModelService) -> int:
    """Return the replicas that must be available for the ModelService to be ready.

    With an autoscaler that is its minimum: further replicas come and go with the load. An external one may use any
    number, also 0.
    """
    owner = replica_owner(service)
    if owner in {ReplicaOwner.SUSPENDED, ReplicaOwner.EXTERNAL}:
        return 0
    options = service.spec.autoscaling or Autoscaling.default()
    required = min_replicas(service)
    return required if options.max_replicas is None else min(required, options.max_replicas)


def min_replicas(service: ModelService) -> int:
    """Return the minimum replicas: minReplicas if it is set, otherwise replicas."""
    options = service.spec.autoscaling
    return service.spec.replicas if options is None or options.min_replicas is None else options.min_replicas
