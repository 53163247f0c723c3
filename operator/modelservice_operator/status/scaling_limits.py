"""Limits that keep an autoscaler from scaling: a target that is never exceeded, the quota, and maxReplicas."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from modelservice_operator.api.v1alpha1.pods import ResourceRequirements
from modelservice_operator.api.v1alpha1.scaling import Autoscaling
from modelservice_operator.api.v1alpha1.spec import ModelServiceSpec
from modelservice_operator.apimachinery.quantity import parse_quantity
from modelservice_operator.resources.autoscaler import utilization_targets
from modelservice_operator.resources.replicas import min_replicas
from modelservice_operator.status.admission import exceeds_quota, replicas_field
from modelservice_operator.status.conditions import Explanation, find_condition
from modelservice_operator.status.reasons import Reason
from modelservice_operator.status.snapshot import Snapshot

_DEFAULT_TOLERANCE = Decimal("0.1")
"""Share of the target that the utilization must exceed it by (kube-controller-manager,
--horizontal-pod-autoscaler-tolerance)."""
_TARGET_FIELDS = {"cpu": "targetCPUUtilizationPercentage", "memory": "targetMemoryUtilizationPercentage"}


def unreachable_target(spec: ModelServiceSpec) -> Explanation | None:
    """Return the explanation if the limits keep the utilization below all targets; None if it can exceed one."""
    options = spec.autoscaling
    if options is None or options.metrics:
        return None
    targets = utilization_targets(options)
    texts = [_unreachable_text(name, percent, spec) for name, percent in targets.items()]
    found = [text for text in texts if text is not None]
    return Explanation(Reason.TARGET_UNREACHABLE, found[0]) if found and len(found) == len(texts) else None


def quota_limit(snapshot: Snapshot) -> Explanation | None:
    """Return the explanation if the ResourceQuota has no room for the replicas that the autoscaler has set."""
    if snapshot.has_old_pods or not exceeds_quota(snapshot):
        return None
    field = replicas_field(snapshot)
    if field == "autoscaling.minReplicas":
        wanted = f"has no room for {min_replicas(snapshot.service)} replicas, the minimum"
    else:
        wanted = "has no room for the replicas that the HorizontalPodAutoscaler has set"
    text = f"The ResourceQuota of the namespace {wanted}. Lower {field} or resources, or ask for a higher quota."
    return Explanation(Reason.QUOTA_EXCEEDED, text)


def at_maximum(conditions: Iterable[Mapping[str, Any]] | None, spec: ModelServiceSpec) -> Explanation | None:
    """Return the explanation if the autoscaler requires more replicas than maxReplicas."""
    limited = find_condition(conditions, "ScalingLimited") or {}
    if (limited.get("status"), limited.get("reason")) != ("True", "TooManyReplicas"):
        return None
    maximum = (spec.autoscaling or Autoscaling.default()).max_replicas
    text = (
        f"The HorizontalPodAutoscaler wants more replicas than maxReplicas ({maximum}). If this continues, raise"
        " autoscaling.maxReplicas."
    )
    return Explanation(Reason.AT_MAXIMUM, text)


def _unreachable_text(name: str, target: int, spec: ModelServiceSpec) -> str | None:
    """Return the message for a target that the utilization cannot exceed; None if it can."""
    highest, required = _highest_utilization(name, spec), target * (1 + _tolerance(spec))
    if highest is None or highest > required:
        return None
    return (
        f"The {name} utilization cannot exceed {_percent(highest)} of the request because of resources.limits.{name},"
        f" but the autoscaler adds replicas only above {_percent(required)} (target {target}%, plus the tolerance)."
        f" Raise the limit, lower resources.requests.{name}, or lower autoscaling.{_TARGET_FIELDS[name]}."
    )


def _highest_utilization(name: str, spec: ModelServiceSpec) -> Decimal | None:
    """Return limit / request in percent; None without a limit. The API server sets a missing request to the limit."""
    resources = spec.resources or ResourceRequirements.default()
    limit = (resources.limits or {}).get(name)
    if limit is None:
        return None
    amount, request = parse_quantity(limit), parse_quantity((resources.requests or {}).get(name, limit))
    return 100 * amount / request if amount is not None and request else None


def _tolerance(spec: ModelServiceSpec) -> Decimal:
    """Return the tolerance for scaling up (KEP-4951)."""
    behavior = (spec.autoscaling or Autoscaling.default()).behavior or {}
    text = (behavior.get("scaleUp") or {}).get("tolerance")
    found = None if text is None else parse_quantity(str(text))
    return _DEFAULT_TOLERANCE if found is None else found


def _percent(value: Decimal) -> str:
    return f"{float(value):.4g}%"
