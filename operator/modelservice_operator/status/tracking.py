"""Computes ModelTracked: if the periodic checks of an auto-updated model's URI succeed. It never affects Ready.

A check is a Job of the CronJob. Jobs are not watched: its pod, and the status of the CronJob, show how it ended.
Nothing is left of a check whose pod was never created or has been deleted, so a failure is retained until another
check succeeds.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from modelservice_operator.apimachinery.well_known import INSTANCE_LABEL
from modelservice_operator.resources.cron_job import tracks_updates
from modelservice_operator.resources.metadata import MODEL_CACHE_KEY_LABEL, RESOLVER_NAME
from modelservice_operator.resources.model_volume import cache_key
from modelservice_operator.status.conditions import Explanation, find_condition, parse_condition
from modelservice_operator.status.containers import loader_failure, waits_for_volumes
from modelservice_operator.status.diagnosis import diagnose_pod
from modelservice_operator.status.foreign_settings import suspended_message
from modelservice_operator.status.pods import Pod, Termination
from modelservice_operator.status.reasons import ConditionType, Reason
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import normalize, truncate, with_full_stop

PROBLEM_GRACE_SECONDS = 60.0
"""Time before a check that cannot start or end is reported: nodes are added, and sidecars end, within it."""
MAX_CHECK_SECONDS = 300.0
"""Time before a check without a known problem is reported. Its Job is ended after 600 s (resources.cron_job)."""


class TrackingCondition(NamedTuple):
    """Status and explanation of ModelTracked; status None means Unknown."""

    status: bool | None
    explanation: Explanation


def tracking_condition(snapshot: Snapshot, previous: Mapping[str, Any]) -> TrackingCondition | None:
    """Return the condition ModelTracked; None unless the model is updated automatically.

    `previous` is the status before: its condition is retained while a check is running.
    """
    if not tracks_updates(snapshot.service) or snapshot.service.spec.suspend:
        return None
    if ((snapshot.cron_job or {}).get("spec") or {}).get("suspend"):
        return _failed(Reason.TRACKING_SUSPENDED, suspended_message(snapshot))
    before = _previous_condition(snapshot, previous)
    unstarted = _unstarted_check(snapshot)
    found = (unstarted,) if unstarted is not None else _outcomes(snapshot, before)
    return next(iter(found), None) or before or _PENDING


def awaited_uids(snapshot: Snapshot) -> frozenset[str]:
    """Return the UIDs of the objects whose age the condition depends on: checks that have not ended."""
    if not tracks_updates(snapshot.service):
        return frozenset()
    pods = {pod.uid for pod in _resolver_pods(snapshot) if not pod.has_ended}
    return frozenset(pods | _jobs_without_pod(snapshot))


def seconds_to_next_tracking(snapshot: Snapshot) -> float | None:
    """Return the seconds after which the condition may change with time only; None if it does not."""
    durations = (PROBLEM_GRACE_SECONDS, MAX_CHECK_SECONDS)
    left = [snapshot.seconds_left(uid, duration) for uid in awaited_uids(snapshot) for duration in durations]
    return min((seconds for seconds in left if seconds > 0), default=None)


def _failed(reason: Reason, text: str) -> TrackingCondition:
    return TrackingCondition(status=False, explanation=Explanation(reason, text))


_PENDING = TrackingCondition(
    status=None, explanation=Explanation(Reason.TRACKING_PENDING, "No check of model.uri has ended yet.")
)
_SUCCEEDED = TrackingCondition(
    status=True, explanation=Explanation(Reason.TRACKING_ACTIVE, "The newest check of model.uri succeeded.")
)


def _previous_condition(snapshot: Snapshot, previous: Mapping[str, Any]) -> TrackingCondition | None:
    """Return the condition before, if it is about checks of the same URI."""
    uri = (previous.get("model") or {}).get("uri")
    found = parse_condition(find_condition(previous.get("conditions"), ConditionType.MODEL_TRACKED))
    model = snapshot.service.spec.model
    if found is None or model is None or uri != model.uri or found[1].reason is Reason.TRACKING_SUSPENDED:
        return None
    return TrackingCondition(*found)


def _outcomes(snapshot: Snapshot, before: TrackingCondition | None) -> Iterator[TrackingCondition]:
    """Yield the outcomes of checks, the newest first. A success older than a failed check is left out."""
    has_failed = before is not None and before.status is False
    for pod in sorted(_resolver_pods(snapshot), key=lambda pod: (pod.created, pod.name), reverse=True):
        outcome = _outcome(pod, snapshot)
        if outcome is not None and not (outcome is _SUCCEEDED and has_failed and not _last_check_succeeded(snapshot)):
            yield outcome


def _outcome(pod: Pod, snapshot: Snapshot) -> TrackingCondition | None:
    """Return the outcome of the check of a pod; None while it may still succeed."""
    last = _resolver_termination(pod)
    if last is not None and last.exit_code != 0:
        reason, cause = loader_failure(last, snapshot)
        return _failed(reason, f"The newest check of model.uri failed: {cause} The pods keep their model.")
    if last is not None:
        return _SUCCEEDED if pod.phase != "Running" else _lingering_outcome(pod, snapshot)
    if pod.phase == "Succeeded":
        return _SUCCEEDED
    if pod.phase == "Failed":
        text = with_full_stop(truncate(normalize(f"{pod.reason} {pod.message}", snapshot)) or "no reason given")
        return _failed(Reason.POD_FAILED, f"The pod of the newest check of model.uri failed: {text}")
    return _unfinished_outcome(pod, snapshot)


def _lingering_outcome(pod: Pod, snapshot: Snapshot) -> TrackingCondition:
    """Return the outcome of a check that has succeeded, but whose pod runs on: an injected sidecar does not end."""
    if not snapshot.is_older(pod.uid, PROBLEM_GRACE_SECONDS):
        return _SUCCEEDED
    return _failed(
        Reason.CHECK_NOT_ENDING,
        "The pod of the newest check of model.uri keeps running, because an injected container does not end: the next"
        " check starts only after the time limit. Exclude pods with the label"
        " app.kubernetes.io/name=modelservice-refresh from the injection.",
    )


def _unfinished_outcome(pod: Pod, snapshot: Snapshot) -> TrackingCondition | None:
    finding = diagnose_pod(pod, snapshot)
    if waits_for_volumes(pod) and (missing := _missing_credentials(pod, snapshot)) is not None:
        return missing
    is_starting = finding is None or finding.reason is Reason.STARTING
    if not snapshot.is_older(pod.uid, MAX_CHECK_SECONDS if is_starting else PROBLEM_GRACE_SECONDS):
        return None
    if finding is None or is_starting:
        command = f"kubectl describe pods {_selector(snapshot)},app.kubernetes.io/name=modelservice-refresh"
        return _failed(Reason.CHECK_NOT_ENDING, f"The newest check of model.uri does not end. See {command}.")
    return _failed(finding.reason, f"The pod of the newest check of model.uri is not ready: {finding.text}")


def _missing_credentials(pod: Pod, snapshot: Snapshot) -> TrackingCondition | None:
    """Return the condition if a pod waits for its volumes: the Secret is the only one that may be missing.

    The Events of these pods, which would say so, are not read.
    """
    model, namespace = snapshot.service.spec.model, snapshot.service.metadata.namespace
    if model is None or model.credentials is None or not snapshot.is_older(pod.uid, PROBLEM_GRACE_SECONDS):
        return None
    name = model.credentials.secret_ref.name
    text = (
        "The pod of the newest check of model.uri is waiting for its volumes. Check that the Secret of"
        f" model.credentials exists: kubectl get -n {namespace} secret/{name}."
    )
    return _failed(Reason.VOLUME_PENDING, text)


def _unstarted_check(snapshot: Snapshot) -> TrackingCondition | None:
    """Return the condition if the Job of a check cannot create its pod, as with an exceeded quota."""
    if not any(snapshot.is_older(uid, PROBLEM_GRACE_SECONDS) for uid in _jobs_without_pod(snapshot)):
        return None
    command = f"kubectl describe jobs {_selector(snapshot)}"
    text = f"The Job of the newest check of model.uri has no pod. Its Events have the cause: {command}."
    return _failed(Reason.CHECK_NOT_STARTED, text)


def _selector(snapshot: Snapshot) -> str:
    """Return the options of kubectl that select the Jobs of the CronJob."""
    metadata = snapshot.service.metadata
    return f"-n {metadata.namespace} -l {INSTANCE_LABEL}={metadata.name}"


def _last_check_succeeded(snapshot: Snapshot) -> bool:
    """Return True if the last scheduled Job succeeded; both times are of one controller (batch/v1, CronJobStatus)."""
    status = (snapshot.cron_job or {}).get("status") or {}
    return str(status.get("lastSuccessfulTime") or "") >= str(status.get("lastScheduleTime") or "")


def _jobs_without_pod(snapshot: Snapshot) -> set[str]:
    """Return the UIDs of active Jobs without a pod."""
    active = ((snapshot.cron_job or {}).get("status") or {}).get("active") or ()
    return {str(job.get("uid") or "") for job in active} - {pod.owner_uid for pod in snapshot.pods} - {""}


def _resolver_pods(snapshot: Snapshot) -> list[Pod]:
    """Return the pods of checks of the current URI that are not being deleted."""
    model = snapshot.service.spec.model
    key = None if model is None else cache_key(model, None)
    found = (pod for pod in snapshot.pods if not pod.template_hash and not pod.terminating)
    return [pod for pod in found if key and pod.labels.get(MODEL_CACHE_KEY_LABEL) == key]


def _resolver_termination(pod: Pod) -> Termination | None:
    return next((one.last_termination for one in pod.containers if one.name == RESOLVER_NAME), None)
