"""Named checks of what was observed. In a chain the first violation speaks."""

from collections.abc import Callable, Iterable, Mapping

from modelservice_operator.errors import (
    DriftDetectedError,
    ForbiddenError,
    InvalidRequestError,
    InvalidSpecError,
    KindNotServedError,
    NameConflictError,
    OperatorError,
)
from modelservice_operator.status.admission import classify_admission_error, pod_creation_failure
from modelservice_operator.status.autoscaling import is_scale_to_zero_rejected
from modelservice_operator.status.conditions import Explanation
from modelservice_operator.status.diagnosis import diagnose
from modelservice_operator.status.reasons import Reason
from modelservice_operator.status.snapshot import DeploymentStatus, Snapshot

_REASONS: Mapping[type[OperatorError], Reason] = {
    InvalidSpecError: Reason.INVALID_SPEC,
    NameConflictError: Reason.NAME_CONFLICT,
    KindNotServedError: Reason.KIND_UNAVAILABLE,
    DriftDetectedError: Reason.DRIFT_DETECTED,
    ForbiddenError: Reason.FORBIDDEN,
    InvalidRequestError: Reason.REJECTED,
}
_STALLED = frozenset({Reason.INVALID_SPEC, Reason.NAME_CONFLICT})
"""What no retry can heal (kstatus)."""


Policy = Callable[[Snapshot], Explanation | None]


def first_violation(policies: Iterable[Policy], observed: Snapshot) -> Explanation | None:
    """The verdict of the first policy that has one."""
    return next((verdict for policy in policies if (verdict := policy(observed)) is not None), None)


def children_failed(observed: Snapshot) -> Explanation | None:
    """A child could not be brought to what it should be."""
    if observed.failure is None or is_scale_to_zero_rejected(observed):
        return None  # an autoscaler that cannot be is told by AutoscalerReady, and is no reason not to be ready
    return explain_error(observed.failure)


def explain_error(failure: OperatorError) -> Explanation:
    """How an error of the tree reads in status."""
    reason = next((reason for kind, reason in _REASONS.items() if isinstance(failure, kind)), Reason.RETRYING)
    if isinstance(failure, ForbiddenError | InvalidRequestError):
        reason = classify_admission_error(str(failure)) or reason
    return Explanation(reason, str(failure), stalled=reason in _STALLED)


def deployment_pending(observed: Snapshot) -> Explanation | None:
    """The Deployment is not there, or its controller has not looked at it."""
    if observed.rollout is None:
        return Explanation(Reason.DEPLOYMENT_PENDING, "The Deployment has not been created yet.")
    if not observed.rollout.observed:
        text = "Waiting for the Deployment controller to observe the latest generation."
        return Explanation(Reason.DEPLOYMENT_PENDING, text)
    return None


def deadline_exceeded(observed: Snapshot) -> Explanation | None:
    """The Deployment gave up waiting."""
    rollout = observed.rollout
    if rollout is None or _reason(rollout, "Progressing") != Reason.PROGRESS_DEADLINE_EXCEEDED:
        return None
    return Explanation(
        Reason.PROGRESS_DEADLINE_EXCEEDED,
        f"The rollout exceeded its progress deadline: {_counts(rollout)}. See the Ready condition for the cause.",
        stalled=True,
    )


def pods_not_ready(observed: Snapshot) -> Explanation | None:
    """Something keeps pods of the current revision from being made, started or ready."""
    rollout = observed.rollout
    if rollout is None or rollout.complete:
        return None
    found = diagnose(observed, refusal=pod_creation_failure(observed))
    return None if found is None else Explanation(found.reason, found.text[0].upper() + found.text[1:])


def rollout_in_progress(observed: Snapshot) -> Explanation | None:
    """Not every replica is new and available, or old ones are left."""
    rollout = observed.rollout
    if rollout is None or rollout.complete:
        return None
    return Explanation(Reason.ROLLOUT_IN_PROGRESS, f"{_counts(rollout)}.")


def _reason(rollout: DeploymentStatus, kind: str) -> str | None:
    return rollout.conditions.get(kind, {}).get("reason")


def _counts(rollout: DeploymentStatus) -> str:
    text = f"{min(rollout.available, rollout.updated)} of {rollout.desired} replicas of this revision are available"
    old = rollout.replicas - rollout.updated
    return text + (f", {old} of an earlier revision {'is' if old == 1 else 'are'} left" if old > 0 else "")


READY: tuple[Policy, ...] = (
    children_failed,
    deployment_pending,
    pods_not_ready,
    deadline_exceeded,
    rollout_in_progress,
)
"""Everything that keeps a ModelService from being ready, most telling first."""
STALLED: tuple[Policy, ...] = (children_failed, deployment_pending, deadline_exceeded)
"""What no retry heals, as far as no newer trouble is about to change it; only verdicts that say so count."""
