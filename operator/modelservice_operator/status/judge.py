"""Observed -> status, whole: computed once per reconciliation, written once, failures included."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from modelservice_operator.errors import InvalidSpec
from modelservice_operator.observed import Observed, Rollout
from modelservice_operator.resources.metadata import selector
from modelservice_operator.resources.service import cluster_url, exposed_url, http_url
from modelservice_operator.status.conditions import Condition, condition, merge
from modelservice_operator.status.policies import READY, first_violation, verdict_on
from modelservice_operator.status.reasons import ConditionType, Reason
from modelservice_operator.status.verdict import Verdict

Status = dict[str, Any]


def judge(observed: Observed, *, previous: Mapping[str, Any], now: datetime) -> Status:
    """The status of a ModelService. `previous` gives the transition times that stay; `now` is aware, UTC."""
    service = observed.service
    current = _conditions(observed)
    return {
        "observedGeneration": service.metadata.generation,
        "url": _url(observed),
        "address": {"url": cluster_url(service)},
        "selector": ",".join(f"{name}={value}" for name, value in selector(service).items()),
        **_numbers(observed.rollout),
        "resources": [{"kind": kind.kind, "name": service.metadata.name} for kind in observed.wanted],
        "conditions": merge(previous=previous.get("conditions") or (), current=current, now=now),
    }


def judge_invalid(error: InvalidSpec, *, generation: int, previous: Mapping[str, Any], now: datetime) -> Status:
    """The status of an object that cannot be understood. What runs still runs, so its numbers stay as they were."""
    verdict = verdict_on(error)
    current = [
        condition(ConditionType.READY, status=False, verdict=verdict, generation=generation),
        condition(ConditionType.STALLED, status=True, verdict=verdict, generation=generation),
    ]
    conditions = merge(previous=previous.get("conditions") or (), current=current, now=now)
    return {**previous, "observedGeneration": generation, "conditions": conditions}


def is_merely_unseen(previous: Mapping[str, Any], status: Status) -> bool:
    """Whether what was ready lacks only its Deployment controller's look at a newer generation.

    A Deployment gets one for annotations too, not for its spec alone (apps/v1, deploymentStrategy.PrepareForUpdate).
    """
    same = previous.get("observedGeneration") == status["observedGeneration"]
    return same and _ready(previous) == "True" and _ready(status, "reason") == Reason.DEPLOYMENT_PENDING


def _ready(status: Mapping[str, Any], field: str = "status") -> str | None:
    """Return a field of the condition Ready, None when there is none."""
    conditions = status.get("conditions") or ()
    return next((entry.get(field) for entry in conditions if entry["type"] == ConditionType.READY), None)


def _conditions(observed: Observed) -> list[Condition]:
    generation = observed.service.metadata.generation
    violation = first_violation(READY, observed)
    verdict = violation or _success(observed)
    ready = violation is None
    stuck = violation is not None and violation.reason is Reason.PROGRESS_DEADLINE_EXCEEDED
    found = [
        (ConditionType.READY, ready, verdict),
        (ConditionType.AVAILABLE, *_availability(observed.rollout)),
        # The Deployment's own convention: True when done as well, False only when it gave up.
        (ConditionType.PROGRESSING, not stuck, verdict),
    ]
    if (rivals := _rivals(observed)) is not None:
        found.append((ConditionType.AUTOSCALER_READY, False, rivals))
    if violation is not None:
        found.append((ConditionType.STALLED if violation.stalled else ConditionType.RECONCILING, True, violation))
    return [condition(kind, status=status, verdict=why, generation=generation) for kind, status, why in found]


def _rivals(observed: Observed) -> Verdict | None:
    """Say who else scales the Deployment, where nobody else was asked to. It never keeps anything from being ready."""
    autoscaling, names = observed.service.spec.autoscaling, observed.foreign_autoscalers
    if not names or (autoscaling is not None and autoscaling.managed_by == "External"):
        return None
    who = "HorizontalPodAutoscaler " + ", ".join(names)
    return Verdict(
        Reason.FOREIGN_AUTOSCALER,
        f"{who} scales the Deployment too, and does not belong to this ModelService: two that set one count undo each"
        " other's work. Delete it, or leave the count to it with spec.autoscaling.managedBy: External.",
    )


def _success(observed: Observed) -> Verdict:
    desired = observed.rollout.desired if observed.rollout else 0
    if desired == 0:
        return Verdict(Reason.SCALED_TO_ZERO, "As asked for, no replica runs: nothing serves until replicas is raised.")
    text = "The only replica is available." if desired == 1 else f"All {desired} replicas are available."
    return Verdict(Reason.ROLLOUT_COMPLETE, text)


def _availability(rollout: Rollout | None) -> tuple[bool, Verdict]:
    available = rollout.available if rollout else 0
    if available == 0:
        return False, Verdict(Reason.NO_REPLICAS_AVAILABLE, "No replica serves.")
    text = "1 replica serves." if available == 1 else f"{available} replicas serve."
    return True, Verdict(Reason.MINIMUM_REPLICAS_AVAILABLE, text)


def _numbers(rollout: Rollout | None) -> dict[str, int]:
    if rollout is None:
        return {"replicas": 0, "readyReplicas": 0, "updatedReplicas": 0, "desiredReplicas": 0}
    return {
        "replicas": rollout.replicas,
        "readyReplicas": rollout.ready,
        "updatedReplicas": rollout.updated,
        "desiredReplicas": rollout.desired,
    }


def _url(observed: Observed) -> str:
    service = observed.service
    if (exposed := exposed_url(service)) is not None:
        return exposed
    return http_url(service, observed.load_balancer) if observed.load_balancer else cluster_url(service)
