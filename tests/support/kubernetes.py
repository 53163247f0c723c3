"""The Kubernetes version of the control-plane tier in this run."""

from tests.environment.cluster import Tier
from tests.environment.cluster.lifecycle import kubernetes_of
from tests.support.builders import ModelServiceBuilder

SCALE_TO_ZERO_MINOR = 37
"""First minor version in which a HorizontalPodAutoscaler may have minReplicas 0 by default."""

_RESOURCE_CLAIMS_MINOR = 34


def server_minor() -> int:
    """Return the minor version, such as 33 for 1.33."""
    return int(kubernetes_of(Tier.CONTROL_PLANE, None).rpartition(".")[2])


def without_newer_fields(service: ModelServiceBuilder) -> ModelServiceBuilder:
    """Return the ModelService without fields that the API server of this run drops, which is tested separately."""
    return service if server_minor() >= _RESOURCE_CLAIMS_MINOR else service.without_spec("resourceClaims")
