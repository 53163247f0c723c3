"""Computes AutoscalerReady and status.autoscaling. The condition never makes a ModelService unready."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from modelservice_operator.apimachinery.kinds import HORIZONTAL_POD_AUTOSCALER
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.errors import InvalidRequestError
from modelservice_operator.resources.metadata import omit_none
from modelservice_operator.resources.replicas import ReplicaOwner, min_replicas, replica_owner
from modelservice_operator.status.conditions import Explanation, find_condition
from modelservice_operator.status.reasons import AUTOSCALER_REASONS, Reason
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import normalize, truncate, with_full_stop

STARTUP_GRACE = timedelta(seconds=60)
"""Time before a new autoscaler is reported as failed.

metrics-server needs two scrapes, 15 s apart, and the autoscaler's controller runs every 15 s.
"""

_REQUIRED_CONDITIONS = ("AbleToScale", "ScalingActive")
"""Conditions that must be True (autoscaling/v2). ScalingLimited only reports that a configured bound is reached."""


class AutoscalerCondition(NamedTuple):
    """Status and explanation of AutoscalerReady; status None means Unknown."""

    status: bool | None
    explanation: Explanation


def autoscaler_condition(snapshot: Snapshot, now: datetime) -> AutoscalerCondition | None:
    """Return the condition AutoscalerReady; None if it does not apply. `now` is in UTC."""
    owner = replica_owner(snapshot.service)
    if owner is ReplicaOwner.EXTERNAL:
        return None
    if snapshot.foreign_autoscalers:
        return AutoscalerCondition(status=False, explanation=_foreign_autoscaler(snapshot))
    if owner is not ReplicaOwner.AUTOSCALED:
        return None
    if is_scale_to_zero_rejected(snapshot):
        return AutoscalerCondition(status=False, explanation=_scale_to_zero_rejected(snapshot))
    return _own_autoscaler_state(snapshot, now)


def autoscaling_status(snapshot: Snapshot) -> Object | None:
    """Return `status.autoscaling`. Metric values are omitted: each change would cost a write.

    Until the autoscaler has reported counts (they are 0 before), those of the Deployment are used.
    """
    if snapshot.autoscaler is None or replica_owner(snapshot.service) is not ReplicaOwner.AUTOSCALED:
        return None
    spec, status = snapshot.autoscaler.get("spec") or {}, snapshot.autoscaler.get("status") or {}
    rollout = snapshot.rollout
    return omit_none(
        minReplicas=spec.get("minReplicas"),
        maxReplicas=spec.get("maxReplicas"),
        currentReplicas=status.get("currentReplicas") or (rollout.replicas if rollout else None),
        desiredReplicas=status.get("desiredReplicas") or (rollout.desired if rollout else None),
        lastScaleTime=status.get("lastScaleTime"),
    )


def requeue_after(snapshot: Snapshot, now: datetime) -> float | None:
    """Return the seconds after which the status changes with time only; None if it does not."""
    condition, age = autoscaler_condition(snapshot, now), _age(snapshot, now)
    starting = condition is not None and condition.explanation.reason is Reason.AUTOSCALER_STARTING
    if not starting or age is None or age >= STARTUP_GRACE:
        return None
    return (STARTUP_GRACE - age).total_seconds()


def is_scale_to_zero_rejected(snapshot: Snapshot) -> bool:
    """Return True if the API server rejected minReplicas 0 of the child (KEP-2021, gate HPAScaleToZero)."""
    failure = snapshot.failure
    rejected = (
        isinstance(failure, InvalidRequestError)
        and failure.status is not None
        and failure.status.kind == HORIZONTAL_POD_AUTOSCALER.kind
        and failure.has_cause(reason="FieldValueInvalid", field="spec.minReplicas")
    )
    autoscaled = replica_owner(snapshot.service) is ReplicaOwner.AUTOSCALED
    return rejected and autoscaled and min_replicas(snapshot.service) == 0


def _foreign_autoscaler(snapshot: Snapshot) -> Explanation:
    names = ", ".join(sorted(set(snapshot.foreign_autoscalers)))
    return Explanation(
        Reason.FOREIGN_AUTOSCALER,
        f"HorizontalPodAutoscaler {names} also targets the Deployment and is not managed by this ModelService: two"
        " autoscalers override each other's replica count. Delete it, or set autoscaling.managedBy to External to let"
        " it manage the replicas.",
    )


def _scale_to_zero_rejected(snapshot: Snapshot) -> Explanation:
    return Explanation(
        Reason.SCALE_TO_ZERO_UNSUPPORTED,
        f"The cluster does not allow minReplicas 0 (feature gate HPAScaleToZero, off by default before Kubernetes"
        f" 1.37), so {snapshot.service.metadata.name} has no autoscaler. Set autoscaling.minReplicas to 1.",
    )


def _own_autoscaler_state(snapshot: Snapshot, now: datetime) -> AutoscalerCondition:
    conditions = ((snapshot.autoscaler or {}).get("status") or {}).get("conditions")
    required = [find_condition(conditions, kind) or {} for kind in _REQUIRED_CONDITIONS]
    if all(condition.get("status") == "True" for condition in required):
        explanation = Explanation(Reason.AUTOSCALER_ACTIVE, "The HorizontalPodAutoscaler is active.")
        return AutoscalerCondition(status=True, explanation=explanation)
    failed = next((condition for condition in required if condition.get("status") == "False"), None)
    age = _age(snapshot, now)
    if failed is None or (age is not None and age < STARTUP_GRACE):
        text = "The HorizontalPodAutoscaler was created recently; metrics can take up to a minute."
        return AutoscalerCondition(status=None, explanation=Explanation(Reason.AUTOSCALER_STARTING, text))
    return AutoscalerCondition(status=False, explanation=_failed_condition(failed, snapshot))


def _failed_condition(condition: Mapping[str, Any], snapshot: Snapshot) -> Explanation:
    """Explain a condition of the HorizontalPodAutoscaler that is False."""
    reported = condition.get("reason")
    reason = next((reason for reason in AUTOSCALER_REASONS if reason == reported), Reason.AUTOSCALER_FAILED)
    if reason is Reason.SCALING_DISABLED:
        return Explanation(reason, _scaled_to_zero_manually_message(snapshot))
    message = str(condition.get("message") or reported or "no reason given")
    cause = with_full_stop(truncate(normalize(message, snapshot)))
    none_ready = snapshot.rollout is not None and snapshot.rollout.ready == 0
    hint = " There are no metrics because no replica is ready." if none_ready else ""
    return Explanation(reason, f"The HorizontalPodAutoscaler cannot scale: {cause}{hint}")


def _scaled_to_zero_manually_message(snapshot: Snapshot) -> str:
    metadata = snapshot.service.metadata
    return (
        "The Deployment was scaled to 0 manually, and a HorizontalPodAutoscaler does not scale up from 0. To resume:"
        f" kubectl scale -n {metadata.namespace} deployment/{metadata.name} --replicas=1. To keep it at 0, set suspend:"
        " true."
    )


def _age(snapshot: Snapshot, now: datetime) -> timedelta | None:
    created = ((snapshot.autoscaler or {}).get("metadata") or {}).get("creationTimestamp")
    return None if created is None else now - datetime.fromisoformat(created)
