"""Can the autoscaler act? A condition of its own, which never makes a ModelService unready."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from modelservice_operator.apimachinery.kinds import HORIZONTAL_POD_AUTOSCALER
from modelservice_operator.errors import InvalidRequestError, OperatorError
from modelservice_operator.resources.replicas import ReplicaOwner, min_replicas, replica_owner
from modelservice_operator.status.conditions import Explanation
from modelservice_operator.status.reasons import AUTOSCALER_REASONS, Reason
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import normalize, truncate, with_full_stop

STARTUP_GRACE = timedelta(seconds=60)
"""What a new autoscaler gets: metrics-server needs two scrapes, 15 s apart, and the controller looks every 15 s."""

_REQUIRED_CONDITIONS = ("AbleToScale", "ScalingActive")
"""Conditions that must hold (autoscaling/v2). ScalingLimited only says that a bound of ours is reached."""


class AutoscalerCondition(NamedTuple):
    """Whether the autoscaler can act, None while that is not known, and why."""

    status: bool | None
    verdict: Explanation


def autoscaler_condition(observed: Snapshot, now: datetime) -> AutoscalerCondition | None:
    """The condition AutoscalerReady; None where it has nothing to say. `now` is aware, UTC."""
    decides = replica_owner(observed.service)
    if decides is ReplicaOwner.EXTERNAL:
        return None
    if observed.foreign_autoscalers:
        return AutoscalerCondition(status=False, verdict=_foreign_autoscaler(observed))
    if decides is not ReplicaOwner.AUTOSCALED:
        return None
    if is_scale_to_zero_rejected(observed):
        return AutoscalerCondition(status=False, verdict=_scale_to_zero_rejected(observed))
    return _own_autoscaler_state(observed, now)


def autoscaling_status(observed: Snapshot) -> dict[str, Any] | None:
    """`status.autoscaling`. No utilisation: it would be a write for each look of the autoscaler.

    Until the autoscaler has an opinion (its counts are 0 then), the counts are those that it will find.
    """
    if observed.autoscaler is None or replica_owner(observed.service) is not ReplicaOwner.AUTOSCALED:
        return None
    spec, status = observed.autoscaler.get("spec") or {}, observed.autoscaler.get("status") or {}
    rollout = observed.rollout
    found = {
        "minReplicas": spec.get("minReplicas"),
        "maxReplicas": spec.get("maxReplicas"),
        "currentReplicas": status.get("currentReplicas") or (rollout.replicas if rollout else None),
        "desiredReplicas": status.get("desiredReplicas") or (rollout.desired if rollout else None),
        "lastScaleTime": status.get("lastScaleTime"),
    }
    return {name: value for name, value in found.items() if value is not None}


def requeue_after(observed: Snapshot, now: datetime) -> float | None:
    """Seconds after which the clock alone changes the judgement; None when it never does."""
    found = autoscaler_condition(observed, now)
    age = _age(observed, now)
    if found is None or found.verdict.reason is not Reason.AUTOSCALER_STARTING or age is None or age >= STARTUP_GRACE:
        return None
    return (STARTUP_GRACE - age).total_seconds()


def is_scale_to_zero_rejected(observed: Snapshot) -> bool:
    """Whether the API server refuses our autoscaler's floor of 0 (KEP-2021, gate HPAScaleToZero)."""
    failure: OperatorError | None = observed.failure
    refused = (
        isinstance(failure, InvalidRequestError)
        and failure.status is not None
        and failure.status.kind == HORIZONTAL_POD_AUTOSCALER.kind
        and failure.has_cause(reason="FieldValueInvalid", field="spec.minReplicas")
    )
    return (
        refused and replica_owner(observed.service) is ReplicaOwner.AUTOSCALED and min_replicas(observed.service) == 0
    )


def _foreign_autoscaler(observed: Snapshot) -> Explanation:
    names = ", ".join(sorted(set(observed.foreign_autoscalers)))
    return Explanation(
        Reason.FOREIGN_AUTOSCALER,
        f"HorizontalPodAutoscaler {names} also targets the Deployment and is not managed by this ModelService: two"
        " autoscalers override each other's replica count. Delete it, or set autoscaling.managedBy to External to let"
        " it manage the replicas.",
    )


def _scale_to_zero_rejected(observed: Snapshot) -> Explanation:
    return Explanation(
        Reason.SCALE_TO_ZERO_UNSUPPORTED,
        f"The cluster does not allow minReplicas 0 (feature gate HPAScaleToZero, off by default before Kubernetes"
        f" 1.37), so {observed.service.metadata.name} has no autoscaler. Set autoscaling.minReplicas to 1.",
    )


def _own_autoscaler_state(observed: Snapshot, now: datetime) -> AutoscalerCondition:
    conditions = _conditions(observed.autoscaler)
    if all(conditions.get(kind, {}).get("status") == "True" for kind in _REQUIRED_CONDITIONS):
        return AutoscalerCondition(
            status=True, verdict=Explanation(Reason.AUTOSCALER_ACTIVE, "The HorizontalPodAutoscaler is active.")
        )
    failed = next(
        (conditions[kind] for kind in _REQUIRED_CONDITIONS if conditions.get(kind, {}).get("status") == "False"), None
    )
    age = _age(observed, now)
    if failed is None or (age is not None and age < STARTUP_GRACE):
        text = "The HorizontalPodAutoscaler was created recently; metrics can take up to a minute."
        return AutoscalerCondition(status=None, verdict=Explanation(Reason.AUTOSCALER_STARTING, text))
    return AutoscalerCondition(status=False, verdict=_failed(failed, observed))


def _failed(condition: Mapping[str, Any], observed: Snapshot) -> Explanation:
    told = condition.get("reason")
    reason = next((reason for reason in AUTOSCALER_REASONS if reason == told), Reason.AUTOSCALER_FAILED)
    if reason is Reason.SCALING_DISABLED:
        return Explanation(reason, _scaled_to_zero_manually_message(observed))
    why = with_full_stop(truncate(normalize(str(condition.get("message") or told or "no reason given"), observed)))
    none_ready = observed.rollout is not None and observed.rollout.ready == 0
    hint = " There are no metrics because no replica is ready." if none_ready else ""
    return Explanation(reason, f"The HorizontalPodAutoscaler cannot scale: {why}{hint}")


def _scaled_to_zero_manually_message(observed: Snapshot) -> str:
    metadata = observed.service.metadata
    return (
        "The Deployment was scaled to 0 manually, and a HorizontalPodAutoscaler does not scale up from 0. To resume:"
        f" kubectl scale -n {metadata.namespace} deployment/{metadata.name} --replicas=1. To keep it at 0, set suspend:"
        " true."
    )


def _conditions(autoscaler: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    status = (autoscaler or {}).get("status") or {}
    return {entry.get("type", ""): entry for entry in status.get("conditions") or ()}


def _age(observed: Snapshot, now: datetime) -> timedelta | None:
    created = ((observed.autoscaler or {}).get("metadata") or {}).get("creationTimestamp")
    return None if created is None else now - datetime.fromisoformat(created)
