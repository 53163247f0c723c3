"""Replicas: the count of the Deployment, the HorizontalPodAutoscaler, the rollout and the disruption budget."""

import copy

from modelservice_cli.convert.notes import Change, Notes, subject_of
from modelservice_cli.convert.workloads import Workload
from modelservice_operator.apimachinery.objects import Json, Object
from modelservice_operator.resources.metadata import CONTAINER_NAME

_TARGETS = {"cpu": "targetCPUUtilizationPercentage", "memory": "targetMemoryUtilizationPercentage"}
_MAX_PERCENTAGE = 1000
_DEFAULT_REQUESTS = {"cpu": "500m", "memory": "512Mi"}
"""Requests of a ModelService without resources."""
_ZERO = frozenset({"0", "0%"})


def build_replicas(workload: Workload) -> Object:
    """Return replicas, autoscaling and suspend."""
    written = workload.deployment["spec"].get("replicas")
    autoscaling = build_autoscaling(workload)
    if workload.scaled_by is not None and autoscaling is None:
        autoscaling = {"managedBy": "External"}
    if autoscaling is None:
        return {} if written is None else {"replicas": written}
    if written == 0 and "managedBy" not in autoscaling:
        return {"autoscaling": autoscaling, "suspend": True}
    return {"autoscaling": autoscaling} | ({"replicas": written} if written else {})


def build_autoscaling(workload: Workload) -> Object | None:
    """Return spec.autoscaling; None without a HorizontalPodAutoscaler."""
    if workload.autoscaler is None:
        return None
    spec = workload.autoscaler.get("spec") or {}
    found: Object = {
        # The default of a ModelService is replicas, that of an autoscaler 1.
        "minReplicas": spec.get("minReplicas", 1),
        **({"maxReplicas": spec["maxReplicas"]} if "maxReplicas" in spec else {}),
    }
    metrics = []
    for metric in spec.get("metrics") or ():
        target = _utilization(metric, workload)
        if target is None or target[0] in found:
            metrics.append(_renamed(copy.deepcopy(metric), workload))
        else:
            found[target[0]] = target[1]
    if metrics:
        found["metrics"] = metrics
    if spec.get("behavior"):
        found["behavior"] = copy.deepcopy(spec["behavior"])
    return found


def _utilization(metric: Json, workload: Workload) -> tuple[str, int] | None:
    """Return field and percentage of a metric that counts the CPU or memory of the model container."""
    if not isinstance(metric, dict):
        return None
    containers = workload.pod["containers"]
    source = metric.get("containerResource") or {}
    if metric.get("type") == "Resource" and len(containers) == 1 and not _sidecars(workload):
        source = metric.get("resource") or {}
    elif metric.get("type") != "ContainerResource" or source.get("container") != containers[0].get("name"):
        return None
    percentage = (source.get("target") or {}).get("averageUtilization")
    field = _TARGETS.get(str(source.get("name")))
    if field is None or not isinstance(percentage, int) or percentage > _MAX_PERCENTAGE:
        return None
    return field, percentage


def _sidecars(workload: Workload) -> list[Object]:
    return [one for one in workload.pod.get("initContainers") or () if one.get("restartPolicy") == "Always"]


def _renamed(metric: Json, workload: Workload) -> Json:
    source = metric.get("containerResource") if isinstance(metric, dict) else None
    if isinstance(source, dict) and source.get("container") == workload.pod["containers"][0].get("name"):
        source["container"] = CONTAINER_NAME
    return metric


def add_missing_requests(spec: Object, workload: Workload, notes: Notes) -> None:
    """Add the requests without which an autoscaler cannot compute a utilization."""
    autoscaling, resources = spec.get("autoscaling") or {}, spec.get("resources")
    if resources is None or workload.autoscaler is None:
        return
    has_default = not any(field in autoscaling for field in _TARGETS.values()) and not autoscaling.get("metrics")
    for name, field in _TARGETS.items():
        if field not in autoscaling and not (has_default and name == "cpu"):
            continue
        if any(name in (resources.get(kind) or {}) for kind in ("requests", "limits")):
            continue
        amount = _DEFAULT_REQUESTS[name]
        resources.setdefault("requests", {})[name] = amount
        text = (
            f"the autoscaler compares the use of {name} with a request, and the container has none: {amount} is"
            " requested."
        )
        notes.add(Change.REPAIRED, subject_of(workload.autoscaler), text, "spec.metrics")


def build_rollout(workload: Workload) -> Object:
    """Return spec.rollout: what the Deployment writes."""
    spec = workload.deployment["spec"]
    found = {
        name: spec[name]
        for name in ("minReadySeconds", "progressDeadlineSeconds", "revisionHistoryLimit")
        if spec.get(name) is not None
    }
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return found | {"type": "Recreate"}
    limits = strategy.get("rollingUpdate") or {}
    found |= {name: limits[name] for name in ("maxSurge", "maxUnavailable") if limits.get(name) is not None}
    if str(found.get("maxSurge")) in _ZERO and "maxUnavailable" not in found:
        # The default of a ModelService is 0, with which no replica could be replaced.
        found["maxUnavailable"] = "25%"
    return found


def build_budget(workload: Workload, notes: Notes) -> Object:
    """Return spec.disruptionBudget."""
    if workload.budget is None:
        return {}
    spec = workload.budget.get("spec") or {}
    found = {name: spec[name] for name in ("minAvailable", "maxUnavailable") if spec.get(name) is not None}
    if len(found) != 1:
        text = "it sets neither minAvailable nor maxUnavailable, so that it allows no eviction."
        notes.add(Change.OMITTED, subject_of(workload.budget), text)
        return {}
    return found
