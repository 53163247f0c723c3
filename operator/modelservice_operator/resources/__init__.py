"""Desired state: pure functions from a ModelService to the objects that it stands for.

Nothing here awaits, reads a clock or an environment, or looks at what is live. What somebody else owns (the replicas
under an autoscaler) is left out, not copied back. An object that is not wanted is not in the result.
"""

from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.resources.autoscaler import build_autoscaler
from modelservice_operator.resources.deployment import build_deployment
from modelservice_operator.resources.desired import Desired
from modelservice_operator.resources.service import build_service

__all__ = ["Desired", "build"]


def build(service: ModelService) -> tuple[Desired, ...]:
    """Every child of `service`, in the order in which they are created."""
    children = (build_deployment(service), build_service(service), build_autoscaler(service))
    return tuple(child for child in children if child is not None)
