"""ModelService -> HorizontalPodAutoscaler, and the rule for the number of replicas."""

from modelservice_operator.api.kinds import AUTOSCALER, DEPLOYMENT
from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.resources.desired import Desired
from modelservice_operator.resources.metadata import child_metadata, type_meta

DEFAULT_CPU_TARGET = 80
CONTAINER_NAME = "model"


def starting_replicas(service: ModelService) -> int:
    """Replicas that the Deployment is created with: max(replicas, minReplicas), never above maxReplicas."""
    scaling = service.spec.autoscaling
    if scaling is None:
        return service.spec.replicas
    return min(max(service.spec.replicas, scaling.min_replicas or 0), scaling.max_replicas)


def build_autoscaler(service: ModelService) -> Desired | None:
    """The autoscaler, or None without `spec.autoscaling`.

    The target is a ContainerResource metric (KEP-1610) on the model container, so that sidecars do not dilute it.
    """
    scaling = service.spec.autoscaling
    if scaling is None:
        return None
    target = {
        "type": "Utilization",
        "averageUtilization": scaling.target_cpu_utilization_percentage or DEFAULT_CPU_TARGET,
    }
    spec = {
        "scaleTargetRef": {**type_meta(DEPLOYMENT), "name": service.metadata.name},
        "minReplicas": scaling.min_replicas or service.spec.replicas,
        "maxReplicas": scaling.max_replicas,
        "metrics": [
            {
                "type": "ContainerResource",
                "containerResource": {"name": "cpu", "container": CONTAINER_NAME, "target": target},
            }
        ],
    }
    return Desired.of(AUTOSCALER, {**type_meta(AUTOSCALER), "metadata": child_metadata(service), "spec": spec})
