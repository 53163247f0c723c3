"""Computes the whole status from a snapshot: once per reconcile, also when the reconcile failed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.errors import InvalidSpecError
from modelservice_operator.resources.metadata import omit_none, selector
from modelservice_operator.resources.replicas import ReplicaOwner, replica_owner
from modelservice_operator.resources.service import cluster_url
from modelservice_operator.status.autoscaling import (
    autoscaler_condition,
    autoscaling_status,
    seconds_to_end_of_grace,
)
from modelservice_operator.status.conditions import Explanation, build_condition, find_condition, merge_conditions
from modelservice_operator.status.diagnosis import Diagnosis
from modelservice_operator.status.exposure import exposed_condition, outside_url
from modelservice_operator.status.foreign_settings import paused_message
from modelservice_operator.status.last_failure import last_failure
from modelservice_operator.status.model_status import ModelStatus, compute_model_status
from modelservice_operator.status.policies import READY, STALLED, explain_error, first_violation
from modelservice_operator.status.reasons import ConditionType, Reason
from modelservice_operator.status.serving import required_count
from modelservice_operator.status.snapshot import DeploymentStatus, Snapshot
from modelservice_operator.status.tracking import seconds_to_next_tracking, tracking_condition

RETAINED_TYPES = tuple(
    kind
    for kind in ConditionType
    if kind not in {ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED}
)
"""Types of conditions about the running children, which an object that cannot be parsed keeps."""
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
            *_tracking_condition(snapshot, previous),
            *_autoscaler_condition(snapshot, diagnosis),
            *_exposed_condition(snapshot),
            *_unready_condition(violation, stalled),
        )
    ]
    return {
        "observedGeneration": service.metadata.generation,
        **omit_none(url=outside_url(snapshot)),
        "address": {"url": cluster_url(service)},
        "selector": ",".join(f"{name}={value}" for name, value in selector(service).items()),
        **_replica_counts(snapshot.rollout),
        **omit_none(
            autoscaling=autoscaling_status(snapshot),
            model=model.status if model is not None else None,
            lastFailure=last_failure(snapshot, previous=previous, ready=violation is None),
        ),
        "resources": [{"kind": kind.kind, "name": key.name} for kind, key in snapshot.children],
        "conditions": merge_conditions(previous=previous.get("conditions") or (), current=current, now=now),
    }


def compute_invalid_status(
    error: InvalidSpecError, *, generation: int, previous: Mapping[str, Any], now: datetime
) -> Object:
    """Return the status of an object that cannot be parsed.

    Its children keep running, so the counts and the other conditions are retained, with the generation they are of.
    """
    explanation, before = explain_error(error), previous.get("conditions") or ()
    ready, stalled = (
        build_condition(kind, status=status, explanation=explanation, generation=generation)
        for kind, status in ((ConditionType.READY, False), (ConditionType.STALLED, True))
    )
    retained = [found for kind in RETAINED_TYPES if (found := find_condition(before, kind)) is not None]
    conditions = merge_conditions(previous=before, current=[ready, *map(dict, retained), stalled], now=now)
    return {**previous, "observedGeneration": generation, "conditions": conditions}


def requeue_after(snapshot: Snapshot, status: Object) -> float | None:
    """Return the seconds after which `status`, that of `snapshot`, changes with time only; None if it does not."""
    delays = (seconds_to_end_of_grace(snapshot, status), seconds_to_next_tracking(snapshot))
    return min((delay for delay in delays if delay is not None), default=None)


def is_only_unobserved(previous: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Return True if a ready ModelService only waits for the Deployment controller to observe a new generation.

    A change of annotations increments the generation of a Deployment as well (apps/v1,
    deploymentStrategy.PrepareForUpdate). A Deployment that is scaled up from zero has no pods for a moment.
    """
    before, after = (find_condition(one.get("conditions"), ConditionType.READY) or {} for one in (previous, status))
    if previous.get("observedGeneration") != status["observedGeneration"] or before.get("status") != "True":
        return False
    wakes_up = before.get("reason") == Reason.SCALED_TO_ZERO and status["replicas"] == 0
    return after.get("reason") == Reason.DEPLOYMENT_PENDING or (
        wakes_up and after.get("reason") == Reason.ROLLOUT_IN_PROGRESS
    )


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


def _tracking_condition(snapshot: Snapshot, previous: Mapping[str, Any]) -> list[_Condition]:
    condition = tracking_condition(snapshot, previous)
    return [] if condition is None else [(ConditionType.MODEL_TRACKED, condition.status, condition.explanation)]


def _autoscaler_condition(snapshot: Snapshot, diagnosis: Diagnosis) -> list[_Condition]:
    condition = autoscaler_condition(snapshot, diagnosis)
    return [] if condition is None else [(ConditionType.AUTOSCALER_READY, condition.status, condition.explanation)]


def _exposed_condition(snapshot: Snapshot) -> list[_Condition]:
    condition = exposed_condition(snapshot)
    return [] if condition is None else [(ConditionType.EXPOSED, *condition)]


def _ready_explanation(snapshot: Snapshot) -> Explanation:
    rollout = snapshot.rollout
    if rollout is None or rollout.desired == 0:
        manually = replica_owner(snapshot.service) in {ReplicaOwner.AUTOSCALED, ReplicaOwner.EXTERNAL}
        if manually:
            text = "The Deployment was scaled to zero. Scale it up to serve requests."
        else:
            text = "Scaled to zero. Set replicas above 0 or remove suspend to serve requests."
        return Explanation(Reason.SCALED_TO_ZERO, text)
    text = f"{_available_text(rollout, required_count(snapshot))} {paused_message(snapshot)}".strip()
    return Explanation(Reason.ROLLOUT_COMPLETE, text)


def _available_text(rollout: DeploymentStatus, required: int) -> str:
    if rollout.available < rollout.desired:
        return f"{rollout.available} of {rollout.desired} replicas are available; at least {required} must be."
    return (
        "The only replica is available." if rollout.desired == 1 else f"All {rollout.desired} replicas are available."
    )


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
