"""Policies: named checks of a snapshot. They are evaluated in order; the first violation is reported."""

from collections.abc import Callable, Iterable, Mapping

from modelservice_operator.errors import (
    DriftDetectedError,
    FieldUnsupportedError,
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
from modelservice_operator.status.foreign_settings import (
    min_ready_seconds_message,
    resume_command,
    scaled_to_zero_manually_message,
)
from modelservice_operator.status.reasons import Reason
from modelservice_operator.status.rejections import rejection_advice
from modelservice_operator.status.serving import is_serving, required_count
from modelservice_operator.status.snapshot import DeploymentStatus, Snapshot
from modelservice_operator.status.text import with_full_stop

_REASONS: Mapping[type[OperatorError], Reason] = {
    InvalidSpecError: Reason.INVALID_SPEC,
    NameConflictError: Reason.NAME_CONFLICT,
    KindNotServedError: Reason.KIND_UNAVAILABLE,
    FieldUnsupportedError: Reason.FIELD_UNSUPPORTED,
    DriftDetectedError: Reason.DRIFT_DETECTED,
    ForbiddenError: Reason.FORBIDDEN,
    InvalidRequestError: Reason.REJECTED,
}
_STALLED = frozenset({Reason.INVALID_SPEC, Reason.NAME_CONFLICT, Reason.FIELD_UNSUPPORTED})
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
    advice = rejection_advice(error)
    text = f"{with_full_stop(str(error))} {advice}" if advice else str(error)
    return Explanation(reason, text, stalled=reason in _STALLED)


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


def rollout_paused(snapshot: Snapshot, diagnosis: Diagnosis) -> Explanation | None:
    """Report a Deployment that a user has paused before its newest template has pods."""
    rollout = snapshot.rollout
    if rollout is None or not rollout.paused or is_serving(snapshot, diagnosis):
        return None
    if rollout.updated == rollout.replicas and (rollout.replicas >= rollout.desired or diagnosis.problem is not None):
        return None  # all pods are of the newest revision: the pause is not the cause
    text = f"The Deployment is paused, so this generation is not rolled out. To resume: {resume_command(snapshot)}."
    return Explanation(Reason.ROLLOUT_PAUSED, text)


def scaled_to_zero(snapshot: Snapshot, _diagnosis: Diagnosis) -> Explanation | None:
    """Report a Deployment that another client has scaled to zero, although the spec requires replicas."""
    rollout = snapshot.rollout
    if rollout is None or rollout.desired > 0 or required_count(snapshot) == 0:
        return None
    return Explanation(Reason.SCALED_TO_ZERO, scaled_to_zero_manually_message(snapshot))


def pods_not_ready(snapshot: Snapshot, diagnosis: Diagnosis) -> Explanation | None:
    """Report the most important problem of the pods of the current revision."""
    if snapshot.rollout is None or diagnosis.problem is None or is_serving(snapshot, diagnosis):
        return None
    text = diagnosis.problem.text
    return Explanation(diagnosis.problem.reason, text[0].upper() + text[1:])


def deadline_exceeded(snapshot: Snapshot, diagnosis: Diagnosis) -> Explanation | None:
    """Report a rollout that exceeded its progress deadline. Waiting behind a scheduling gate is intended."""
    rollout, problem = snapshot.rollout, diagnosis.problem
    if problem is not None and problem.reason is Reason.SCHEDULING_GATED:
        return None
    if rollout is None or _condition_reason(rollout, "Progressing") != Reason.PROGRESS_DEADLINE_EXCEEDED:
        return None
    return Explanation(
        Reason.PROGRESS_DEADLINE_EXCEEDED,
        f"The rollout exceeded its progress deadline: {_counts(rollout)}. See the Ready condition for the cause.",
        stalled=True,
    )


def rollout_in_progress(snapshot: Snapshot, diagnosis: Diagnosis) -> Explanation | None:
    """Report a rollout that is not complete, or replicas that are missing."""
    rollout = snapshot.rollout
    if rollout is None or is_serving(snapshot, diagnosis):
        return None
    text = f"{_counts(rollout)}. {min_ready_seconds_message(snapshot)}".strip()
    return Explanation(Reason.ROLLOUT_IN_PROGRESS, text)


def _condition_reason(rollout: DeploymentStatus, kind: str) -> str | None:
    return rollout.conditions.get(kind, {}).get("reason")


def _counts(rollout: DeploymentStatus) -> str:
    text = f"{min(rollout.available, rollout.updated)} of {rollout.desired} replicas of this revision are available"
    old = rollout.replicas - rollout.updated
    return text + (f", {old} of an earlier revision {'is' if old == 1 else 'are'} left" if old > 0 else "")


READY: tuple[Policy, ...] = (
    children_failed,
    deployment_pending,
    rollout_paused,
    scaled_to_zero,
    pods_not_ready,
    deadline_exceeded,
    rollout_in_progress,
)
"""Policies of Ready, the most important violation first."""
STALLED: tuple[Policy, ...] = (children_failed, deployment_pending, deadline_exceeded)
"""Policies of Stalled. Only a violation that is `stalled` counts; an earlier one may still change the outcome."""
