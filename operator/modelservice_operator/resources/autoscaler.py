"""Builds the HorizontalPodAutoscaler."""

from typing import Any

from modelservice_operator.api.v1alpha1.scaling import Autoscaling
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER
from modelservice_operator.apimachinery.objects import Json
from modelservice_operator.apimachinery.quantity import Quantity
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import CONTAINER_NAME, child_metadata, type_meta
from modelservice_operator.resources.replicas import ReplicaOwner, min_replicas, replica_owner

DEFAULT_CPU_TARGET = 80
_METRIC_QUANTITIES = frozenset({"value", "averageValue"})
_BEHAVIOR_QUANTITIES = frozenset({"tolerance"})
"""Fields of type Quantity in MetricTarget and HPAScalingRules (autoscaling/v2)."""


def build_autoscaler(service: ModelService) -> DesiredChild | None:
    """Return the autoscaler; None if replicas are fixed, suspended or managed externally."""
    options = service.spec.autoscaling
    if options is None or replica_owner(service) is not ReplicaOwner.AUTOSCALED:
        return None
    spec: dict[str, Any] = {
        "scaleTargetRef": {**type_meta(DEPLOYMENT), "name": service.metadata.name},
        "minReplicas": min_replicas(service),
        "maxReplicas": options.max_replicas,
        "metrics": _build_metrics(options),
    }
    if options.behavior is not None:
        spec["behavior"] = with_quantities(options.behavior, _BEHAVIOR_QUANTITIES)
    return DesiredChild.of(
        HORIZONTAL_POD_AUTOSCALER,
        {**type_meta(HORIZONTAL_POD_AUTOSCALER), "metadata": child_metadata(service), "spec": spec},
    )


def _build_metrics(options: Autoscaling) -> list[dict[str, Any]]:
    raw = [with_quantities(metric, _METRIC_QUANTITIES) for metric in options.metrics or ()]
    return [_build_utilization_metric(name, percent) for name, percent in utilization_targets(options).items()] + raw


def utilization_targets(options: Autoscaling) -> dict[str, int]:
    """Return the targets of the model container by resource, in percent of its request."""
    cpu, memory = options.target_cpu_utilization_percentage, options.target_memory_utilization_percentage
    if cpu is None and memory is None and not options.metrics:
        cpu = DEFAULT_CPU_TARGET
    return {name: percent for name, percent in (("cpu", cpu), ("memory", memory)) if percent is not None}


def with_quantities(node: Json, names: frozenset[str]) -> Json:
    """Return `node` with the fields of these names as Quantity: the API server returns them in their canonical form."""
    if isinstance(node, list):
        return [with_quantities(item, names) for item in node]
    if not isinstance(node, dict):
        return node
    return {name: Quantity(value) if name in names else with_quantities(value, names) for name, value in node.items()}


def _build_utilization_metric(resource: str, percent: int) -> dict[str, Any]:
    """Return a metric of the model container only (KEP-1610), so that sidecars do not dilute it."""
    target = {"type": "Utilization", "averageUtilization": percent}
    source = {"name": resource, "container": CONTAINER_NAME, "target": target}
    return {"type": "ContainerResource", "containerResource": source}
