"""Computes the whole status from a snapshot: once per reconcile, also when the reconcile failed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.errors import InvalidSpecError
from modelservice_operator.resources.metadata import omit_none, selector
from modelservice_operator.resources.replicas import ReplicaOwner, replica_owner
from modelservice_operator.resources.service import cluster_url, exposed_url, http_url
from modelservice_operator.status.autoscaling import autoscaler_condition, autoscaling_status
from modelservice_operator.status.conditions import Explanation, build_condition, find_condition, merge_conditions
from modelservice_operator.status.diagnosis import Diagnosis
from modelservice_operator.status.last_failure import last_failure
from modelservice_operator.status.model_status import ModelStatus, compute_model_status
from modelservice_operator.status.policies import READY, STALLED, explain_error, first_violation
from modelservice_operator.status.reasons import ConditionType, Reason
from modelservice_operator.status.snapshot import DeploymentStatus, Snapshot

_Condition = tuple[ConditionType, bool | None, Explanation]


def compute_status(snapshot: Snapshot, diagnosis: Diagnosis, *, previous: Mapping[str, Any], now: datetime) -> Object:
    """Return the status of a ModelService.

    `diagnosis` is that of the snapshot. Transition times are taken from `previous`, the status before; `now` is in UTC.
    """
    service = snapshot.service
    model = compute_model_status(snapshot, previous)
    violation = first_violation(READY, snapshot, diagnosis)
    stalled = first_violation(STALLED, snapshot, diagnosis)
    current = [
        build_condition(kind, status=status, explanation=explanation, generation=service.metadata.generation)
        for kind, status, explanation in (
            *_rollout_conditions(snapshot, violation, stalled),
            *_model_condition(model),
            *_autoscaler_condition(snapshot, now),
            *_unready_condition(violation, stalled),
        )
    ]
    return {
        "observedGeneration": service.metadata.generation,
        "url": _url(snapshot),
        "address": {"url": cluster_url(service)},
        "selector": ",".join(f"{name}={value}" for name, value in selector(service).items()),
        **_replica_counts(snapshot.rollout),
        **omit_none(
            autoscaling=autoscaling_status(snapshot),
            model=model.status if model is not None else None,
            lastFailure=last_failure(snapshot, previous=previous, ready=violation is None),
        ),
        "resources": [{"kind": kind.kind, "name": service.metadata.name} for kind in snapshot.child_kinds],
        "conditions": merge_conditions(previous=previous.get("conditions") or (), current=current, now=now),
    }


def compute_invalid_status(
    error: InvalidSpecError, *, generation: int, previous: Mapping[str, Any], now: datetime
) -> Object:
    """Return the status of an object that cannot be parsed. Its children keep running, so the counts are retained."""
    explanation = explain_error(error)
    current = [
        build_condition(kind, status=status, explanation=explanation, generation=generation)
        for kind, status in ((ConditionType.READY, False), (ConditionType.STALLED, True))
    ]
    conditions = merge_conditions(previous=previous.get("conditions") or (), current=current, now=now)
    return {**previous, "observedGeneration": generation, "conditions": conditions}


def is_only_unobserved(previous: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Return True if a ready ModelService only waits for the Deployment controller to observe a new generation.

    A change of annotations increments the generation of a Deployment as well (apps/v1,
    deploymentStrategy.PrepareForUpdate).
    """
    same = previous.get("observedGeneration") == status["observedGeneration"]
    before, after = (find_condition(one.get("conditions"), ConditionType.READY) or {} for one in (previous, status))
    return same and before.get("status") == "True" and after.get("reason") == Reason.DEPLOYMENT_PENDING


def _rollout_conditions(
    snapshot: Snapshot, violation: Explanation | None, stalled: Explanation | None
) -> list[_Condition]:
    """Return Ready, Available and Progressing."""
    explanation = violation or _ready_explanation(snapshot)
    exceeded = stalled if stalled is not None and stalled.reason is Reason.PROGRESS_DEADLINE_EXCEEDED else None
    return [
        (ConditionType.READY, violation is None, explanation),
        (ConditionType.AVAILABLE, *_availability(snapshot.rollout)),
        # As for a Deployment: True when the rollout is complete as well, False only when it exceeded its deadline.
        (ConditionType.PROGRESSING, exceeded is None, exceeded or explanation),
    ]


def _unready_condition(violation: Explanation | None, stalled: Explanation | None) -> list[_Condition]:
    """Return Stalled or Reconciling while the ModelService is not ready (kstatus)."""
    if stalled is not None and stalled.stalled:
        return [(ConditionType.STALLED, True, stalled)]
    return [] if violation is None else [(ConditionType.RECONCILING, True, violation)]


def _model_condition(model: ModelStatus | None) -> list[_Condition]:
    return [] if model is None else [(ConditionType.MODEL_LOADED, model.loaded, model.explanation)]


def _autoscaler_condition(snapshot: Snapshot, now: datetime) -> list[_Condition]:
    condition = autoscaler_condition(snapshot, now)
    return [] if condition is None else [(ConditionType.AUTOSCALER_READY, condition.status, condition.explanation)]


def _ready_explanation(snapshot: Snapshot) -> Explanation:
    desired = snapshot.rollout.desired if snapshot.rollout else 0
    if desired == 0:
        manually = replica_owner(snapshot.service) in {ReplicaOwner.AUTOSCALED, ReplicaOwner.EXTERNAL}
        if manually:
            text = "The Deployment was scaled to zero. Scale it up to serve requests."
        else:
            text = "Scaled to zero. Set replicas above 0 or remove suspend to serve requests."
        return Explanation(Reason.SCALED_TO_ZERO, text)
    text = "The only replica is available." if desired == 1 else f"All {desired} replicas are available."
    return Explanation(Reason.ROLLOUT_COMPLETE, text)


def _availability(rollout: DeploymentStatus | None) -> tuple[bool, Explanation]:
    """Return status and explanation of Available."""
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


def _url(snapshot: Snapshot) -> str:
    """Return the URL from outside the cluster, or else the one inside."""
    service = snapshot.service
    if (exposed := exposed_url(service)) is not None:
        return exposed
    return http_url(service, snapshot.load_balancer) if snapshot.load_balancer else cluster_url(service)
