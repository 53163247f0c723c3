"""Policies: named checks of a snapshot. They are evaluated in order; the first violation is reported."""

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
from modelservice_operator.status.admission import classify_admission_error
from modelservice_operator.status.autoscaling import is_scale_to_zero_rejected
from modelservice_operator.status.conditions import Explanation
from modelservice_operator.status.diagnosis import Diagnosis
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
"""Reasons for which a retry cannot succeed (kstatus)."""


Policy = Callable[[Snapshot, Diagnosis], Explanation | None]
"""Returns None if the snapshot complies."""


def first_violation(policies: Iterable[Policy], snapshot: Snapshot, diagnosis: Diagnosis) -> Explanation | None:
    """Return the explanation of the first policy that is violated."""
    results = (policy(snapshot, diagnosis) for policy in policies)
    return next((explanation for explanation in results if explanation is not None), None)


def explain_error(error: OperatorError) -> Explanation:
    """Return reason and message for an error of a reconcile."""
    reason = next((reason for kind, reason in _REASONS.items() if isinstance(error, kind)), Reason.RETRYING)
    if isinstance(error, ForbiddenError | InvalidRequestError):
        reason = classify_admission_error(error) or reason
    return Explanation(reason, str(error), stalled=reason in _STALLED)


def children_failed(snapshot: Snapshot, _diagnosis: Diagnosis) -> Explanation | None:
    """Report the error with which a child could not be applied."""
    if snapshot.failure is None or is_scale_to_zero_rejected(snapshot):
        return None  # AutoscalerReady reports a rejected autoscaler, which does not make a ModelService unready
    return explain_error(snapshot.failure)


def deployment_pending(snapshot: Snapshot, _diagnosis: Diagnosis) -> Explanation | None:
    """Report a Deployment that does not exist or was not observed by its controller yet."""
    if snapshot.rollout is None:
        return Explanation(Reason.DEPLOYMENT_PENDING, "The Deployment has not been created yet.")
    if not snapshot.rollout.observed:
        text = "Waiting for the Deployment controller to observe the latest generation."
        return Explanation(Reason.DEPLOYMENT_PENDING, text)
    return None


def pods_not_ready(snapshot: Snapshot, diagnosis: Diagnosis) -> Explanation | None:
    """Report the most important problem of the pods of the current revision."""
    if snapshot.rollout is None or snapshot.rollout.complete or diagnosis.problem is None:
        return None
    text = diagnosis.problem.text
    return Explanation(diagnosis.problem.reason, text[0].upper() + text[1:])


def deadline_exceeded(snapshot: Snapshot, _diagnosis: Diagnosis) -> Explanation | None:
    """Report a rollout that exceeded its progress deadline."""
    rollout = snapshot.rollout
    if rollout is None or _condition_reason(rollout, "Progressing") != Reason.PROGRESS_DEADLINE_EXCEEDED:
        return None
    return Explanation(
        Reason.PROGRESS_DEADLINE_EXCEEDED,
        f"The rollout exceeded its progress deadline: {_counts(rollout)}. See the Ready condition for the cause.",
        stalled=True,
    )


def rollout_in_progress(snapshot: Snapshot, _diagnosis: Diagnosis) -> Explanation | None:
    """Report a rollout that is not complete."""
    rollout = snapshot.rollout
    if rollout is None or rollout.complete:
        return None
    return Explanation(Reason.ROLLOUT_IN_PROGRESS, f"{_counts(rollout)}.")


def _condition_reason(rollout: DeploymentStatus, kind: str) -> str | None:
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
"""Policies of Ready, the most important violation first."""
STALLED: tuple[Policy, ...] = (children_failed, deployment_pending, deadline_exceeded)
"""Policies of Stalled. Only a violation that is `stalled` counts; an earlier one may still change the outcome."""
