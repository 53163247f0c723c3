"""Computes AutoscalerReady and status.autoscaling. The condition never makes a ModelService unready."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from modelservice_operator.apimachinery.kinds import HORIZONTAL_POD_AUTOSCALER
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.errors import InvalidRequestError
from modelservice_operator.resources.metadata import omit_none
from modelservice_operator.resources.replicas import ReplicaOwner, min_replicas, replica_owner
from modelservice_operator.status.advice import AUTOSCALER_ADVICE
from modelservice_operator.status.conditions import Explanation, find_condition
from modelservice_operator.status.diagnosis import Diagnosis
from modelservice_operator.status.foreign_settings import (
    disables_scale_up,
    scale_up_disabled_message,
    scaled_to_zero_manually_message,
)
from modelservice_operator.status.reasons import AUTOSCALER_REASONS, ConditionType, Reason
from modelservice_operator.status.scaling_limits import at_maximum, quota_limit, unreachable_target
from modelservice_operator.status.serving import scale_up_problem
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import find_advice, normalize, truncate, with_full_stop

STARTUP_GRACE_SECONDS = 60.0
"""Time before a new autoscaler is reported as failed.

metrics-server needs two scrapes, 15 s apart, and the autoscaler's controller runs every 15 s.
"""

FOREIGN_AUTOSCALER_ADVICE = "Delete it, or set autoscaling.managedBy to External to let it manage the replicas."
_FOREIGN_EFFECTS = {
    ReplicaOwner.AUTOSCALED: "two autoscalers override each other's replica count",
    ReplicaOwner.FIXED: "it sets the replica count, and the operator does not apply spec.replicas",
    ReplicaOwner.SUSPENDED: "it will set the replica count when the ModelService is resumed",
}
_REQUIRED_CONDITIONS = ("AbleToScale", "ScalingActive")
"""Conditions that must be True (autoscaling/v2). ScalingLimited only reports that a configured bound is reached."""


class AutoscalerCondition(NamedTuple):
    """Status and explanation of AutoscalerReady; status None means Unknown."""

    status: bool | None
    explanation: Explanation


def autoscaler_condition(snapshot: Snapshot, diagnosis: Diagnosis) -> AutoscalerCondition | None:
    """Return the condition AutoscalerReady; None if it does not apply.

    With an external autoscaler it is present only while replicas that it has added cannot run.
    """
    owner, missing = replica_owner(snapshot.service), scale_up_problem(snapshot, diagnosis)
    if owner is ReplicaOwner.EXTERNAL:
        return None if missing is None else AutoscalerCondition(status=False, explanation=missing)
    if snapshot.foreign_autoscalers:
        return AutoscalerCondition(status=False, explanation=_foreign_autoscaler(snapshot))
    if owner is not ReplicaOwner.AUTOSCALED:
        return None
    if is_scale_to_zero_rejected(snapshot):
        return AutoscalerCondition(status=False, explanation=_scale_to_zero_rejected(snapshot))
    limit = unreachable_target(snapshot.service.spec) or quota_limit(snapshot) or _scale_up_disabled(snapshot)
    if (cause := limit or missing) is not None:
        return AutoscalerCondition(status=False, explanation=cause)
    return _own_autoscaler_state(snapshot)


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


def seconds_to_end_of_grace(snapshot: Snapshot, status: Object) -> float | None:
    """Return the seconds after which a new autoscaler without metrics is reported; None if `status` reports it."""
    condition = find_condition(status["conditions"], ConditionType.AUTOSCALER_READY) or {}
    starting = condition.get("reason") == Reason.AUTOSCALER_STARTING
    return (_grace_seconds(snapshot) or None) if starting else None


def _grace_seconds(snapshot: Snapshot) -> float:
    """Return the seconds left in which the autoscaler may lack metrics, because it is new."""
    return snapshot.seconds_left(snapshot.autoscaler_uid, STARTUP_GRACE_SECONDS)


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
    effect = _FOREIGN_EFFECTS[replica_owner(snapshot.service)]
    return Explanation(
        Reason.FOREIGN_AUTOSCALER,
        f"HorizontalPodAutoscaler {names} also targets the Deployment and is not managed by this ModelService:"
        f" {effect}. {FOREIGN_AUTOSCALER_ADVICE}",
    )


def _scale_to_zero_rejected(snapshot: Snapshot) -> Explanation:
    return Explanation(
        Reason.SCALE_TO_ZERO_UNSUPPORTED,
        f"The cluster does not allow minReplicas 0 (feature gate HPAScaleToZero, off by default before Kubernetes"
        f" 1.37), so {snapshot.service.metadata.name} has no autoscaler. Set autoscaling.minReplicas to 1.",
    )


def _scale_up_disabled(snapshot: Snapshot) -> Explanation | None:
    if not disables_scale_up(snapshot):
        return None
    return Explanation(Reason.SCALING_DISABLED, scale_up_disabled_message(snapshot))


def _own_autoscaler_state(snapshot: Snapshot) -> AutoscalerCondition:
    conditions = ((snapshot.autoscaler or {}).get("status") or {}).get("conditions")
    required = [find_condition(conditions, kind) or {} for kind in _REQUIRED_CONDITIONS]
    if all(condition.get("status") == "True" for condition in required):
        active = Explanation(Reason.AUTOSCALER_ACTIVE, "The HorizontalPodAutoscaler is active.")
        limit = at_maximum(conditions, snapshot.service.spec)
        return AutoscalerCondition(status=True, explanation=limit or active)
    failed = next((condition for condition in required if condition.get("status") == "False"), None)
    if failed is None or _grace_seconds(snapshot) > 0:
        text = "The HorizontalPodAutoscaler was created recently; metrics can take up to a minute."
        return AutoscalerCondition(status=None, explanation=Explanation(Reason.AUTOSCALER_STARTING, text))
    return AutoscalerCondition(status=False, explanation=_failed_condition(failed, snapshot))


def _failed_condition(condition: Mapping[str, Any], snapshot: Snapshot) -> Explanation:
    """Explain a condition of the HorizontalPodAutoscaler that is False."""
    reported = condition.get("reason")
    reason = next((reason for reason in AUTOSCALER_REASONS if reason == reported), Reason.AUTOSCALER_FAILED)
    if reason is Reason.SCALING_DISABLED:
        return Explanation(reason, scaled_to_zero_manually_message(snapshot))
    message = str(condition.get("message") or reported or "no reason given")
    cause = with_full_stop(truncate(normalize(message, snapshot)))
    if snapshot.rollout is not None and snapshot.rollout.ready == 0:
        hint = "There are no metrics because no replica is ready."
    else:
        hint = find_advice(cause, AUTOSCALER_ADVICE, otherwise="")
    return Explanation(reason, f"The HorizontalPodAutoscaler cannot scale: {cause} {hint}".strip())
