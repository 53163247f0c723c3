"""Observed -> status, whole: computed once per reconciliation, written once, failures included."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from modelservice_operator.errors import InvalidSpecError
from modelservice_operator.resources.metadata import selector
from modelservice_operator.resources.replicas import ReplicaOwner, replica_owner
from modelservice_operator.resources.service import cluster_url, exposed_url, http_url
from modelservice_operator.status.autoscaling import autoscaler_condition, autoscaling_status
from modelservice_operator.status.conditions import Condition, Explanation, build_condition, merge_conditions
from modelservice_operator.status.last_failure import last_failure
from modelservice_operator.status.model_status import ModelStatus, compute_model_status
from modelservice_operator.status.policies import READY, STALLED, explain_error, first_violation
from modelservice_operator.status.reasons import ConditionType, Reason
from modelservice_operator.status.snapshot import DeploymentStatus, Snapshot

Status = dict[str, Any]


def compute_status(observed: Snapshot, *, previous: Mapping[str, Any], now: datetime) -> Status:
    """The status of a ModelService. `previous` gives the transition times that stay; `now` is aware, UTC."""
    service = observed.service
    model = compute_model_status(observed, previous)
    current = _conditions(observed, model, now)
    ready = current[0]["status"] == "True"
    return {
        "observedGeneration": service.metadata.generation,
        "url": _url(observed),
        "address": {"url": cluster_url(service)},
        "selector": ",".join(f"{name}={value}" for name, value in selector(service).items()),
        **_replica_counts(observed.rollout),
        **_optional_field("autoscaling", autoscaling_status(observed)),
        **_optional_field("model", model.status if model is not None else None),
        **_optional_field("lastFailure", last_failure(observed, previous=previous, ready=ready)),
        "resources": [{"kind": kind.kind, "name": service.metadata.name} for kind in observed.child_kinds],
        "conditions": merge_conditions(previous=previous.get("conditions") or (), current=current, now=now),
    }


def compute_invalid_status(
    error: InvalidSpecError, *, generation: int, previous: Mapping[str, Any], now: datetime
) -> Status:
    """The status of an object that cannot be understood. What runs still runs, so its numbers stay as they were."""
    verdict = explain_error(error)
    current = [
        build_condition(ConditionType.READY, status=False, verdict=verdict, generation=generation),
        build_condition(ConditionType.STALLED, status=True, verdict=verdict, generation=generation),
    ]
    conditions = merge_conditions(previous=previous.get("conditions") or (), current=current, now=now)
    return {**previous, "observedGeneration": generation, "conditions": conditions}


def is_only_unobserved(previous: Mapping[str, Any], status: Status) -> bool:
    """Whether what was ready lacks only its Deployment controller's look at a newer generation.

    A Deployment gets one for annotations too, not for its spec alone (apps/v1, deploymentStrategy.PrepareForUpdate).
    """
    same = previous.get("observedGeneration") == status["observedGeneration"]
    return same and _ready(previous) == "True" and _ready(status, "reason") == Reason.DEPLOYMENT_PENDING


def _ready(status: Mapping[str, Any], field: str = "status") -> str | None:
    """Return a field of the condition Ready, None when there is none."""
    conditions = status.get("conditions") or ()
    return next((entry.get(field) for entry in conditions if entry["type"] == ConditionType.READY), None)


def _conditions(observed: Snapshot, model: ModelStatus | None, now: datetime) -> list[Condition]:
    """Ready first."""
    violation = first_violation(READY, observed)
    stalled = first_violation(STALLED, observed)
    verdict = violation or _ready_reason(observed)
    stuck = stalled if stalled is not None and stalled.reason is Reason.PROGRESS_DEADLINE_EXCEEDED else None
    found: list[tuple[ConditionType, bool | None, Explanation]] = [
        (ConditionType.READY, violation is None, verdict),
        (ConditionType.AVAILABLE, *_available_condition(observed.rollout)),
        # The Deployment's own convention: True when done as well, False only when it gave up.
        (ConditionType.PROGRESSING, stuck is None, stuck or verdict),
    ]
    if model is not None:
        found.append((ConditionType.MODEL_LOADED, model.loaded, model.verdict))
    if (able := autoscaler_condition(observed, now)) is not None:
        found.append((ConditionType.AUTOSCALER_READY, *able))
    if stalled is not None and stalled.stalled:
        found.append((ConditionType.STALLED, True, stalled))
    elif violation is not None:
        found.append((ConditionType.RECONCILING, True, violation))
    generation = observed.service.metadata.generation
    return [build_condition(kind, status=status, verdict=why, generation=generation) for kind, status, why in found]


def _ready_reason(observed: Snapshot) -> Explanation:
    desired = observed.rollout.desired if observed.rollout else 0
    if desired == 0:
        manually = replica_owner(observed.service) in {ReplicaOwner.AUTOSCALED, ReplicaOwner.EXTERNAL}
        if manually:
            text = "The Deployment was scaled to zero. Scale it up to serve requests."
        else:
            text = "Scaled to zero. Set replicas above 0 or remove suspend to serve requests."
        return Explanation(Reason.SCALED_TO_ZERO, text)
    text = "The only replica is available." if desired == 1 else f"All {desired} replicas are available."
    return Explanation(Reason.ROLLOUT_COMPLETE, text)


def _available_condition(rollout: DeploymentStatus | None) -> tuple[bool, Explanation]:
    available = rollout.available if rollout else 0
    if available == 0:
        return False, Explanation(Reason.NO_REPLICAS_AVAILABLE, "No replicas are available.")
    text = "1 replica is available." if available == 1 else f"{available} replicas are available."
    return True, Explanation(Reason.MINIMUM_REPLICAS_AVAILABLE, text)


def _replica_counts(rollout: DeploymentStatus | None) -> dict[str, int]:
    if rollout is None:
        return {"replicas": 0, "readyReplicas": 0, "updatedReplicas": 0, "desiredReplicas": 0}
    return {
        "replicas": rollout.replicas,
        "readyReplicas": rollout.ready,
        "updatedReplicas": rollout.updated,
        "desiredReplicas": rollout.desired,
    }


def _optional_field(name: str, value: dict[str, Any] | None) -> dict[str, Any]:
    """A field, or no field."""
    return {} if value is None else {name: value}


def _url(observed: Snapshot) -> str:
    service = observed.service
    if (exposed := exposed_url(service)) is not None:
        return exposed
    return http_url(service, observed.load_balancer) if observed.load_balancer else cluster_url(service)
