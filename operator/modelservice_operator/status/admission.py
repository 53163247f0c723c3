"""Classifies rejections by quota and admission, which the API server reports only as text."""

import re

from modelservice_operator.errors import OperatorError
from modelservice_operator.resources.replicas import ReplicaOwner, min_replicas, replica_owner
from modelservice_operator.status.advice import ADMISSION_ADVICE, NO_SURGE, with_default_requests
from modelservice_operator.status.conditions import find_condition
from modelservice_operator.status.findings import Finding
from modelservice_operator.status.reasons import Reason
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import find_advice, normalize, truncate, with_full_stop

_QUOTA = re.compile(r"exceeded quota|failed quota|insufficient quota", re.IGNORECASE)
_ADMISSION = re.compile(
    r"violates PodSecurity|admission webhook|failed calling webhook|ValidatingAdmissionPolicy|denied the request"
)
_LIMIT_RANGE = re.compile(r"(minimum|maximum) .* usage|limit to request ratio|must be less than or equal to \S+ limit")
"""Errors of a LimitRange. The last one is of the API server: a LimitRange has set a limit below the requests."""
_ERROR_LIST = re.compile(r"(?:^|(?<=: ))\[(.+)\](?=\.?$)")
_ERROR_SEPARATOR = re.compile(r", (?=spec\.|metadata\.|minimum |maximum |\S+ max limit )")
"""Separator of errors of the API server and of a LimitRange, which may contain commas themselves."""
_REQUESTS = re.compile(r"requested: [^:]*\b(cpu|memory)=")
"""Errors of a ResourceQuota for CPU or memory."""
_OBJECT_FORBIDDEN = re.compile(r'^pods? "[^"]*" is forbidden: ')


def classify_admission_error(error: OperatorError) -> Reason | None:
    """Return the reason if quota or admission rejected a request; None for other errors, such as missing RBAC rights.

    A metav1.Status has the same reason, Forbidden, for all of them and no causes, so only its message tells them apart.
    """
    return _classify_message(error.status.message if error.status is not None else str(error))


def pod_creation_failure(snapshot: Snapshot) -> Finding | None:
    """Return the reason that further pods of the current revision cannot be created, if there is one."""
    message = _replica_failure_message(snapshot)
    if message is None:
        return None
    denied = "is forbidden: " in message or _LIMIT_RANGE.search(message)
    otherwise = Reason.ADMISSION_DENIED if denied else Reason.REPLICA_FAILURE
    reason = _classify_message(message) or otherwise
    cause = _sort_errors(_OBJECT_FORBIDDEN.sub("", normalize(message, snapshot))) or "no reason given"
    cause = with_full_stop(truncate(cause))
    return Finding(reason, f"pods cannot be created: {cause} {_advice(cause, reason, snapshot)}", covers_all_pods=True)


def exceeds_quota(snapshot: Snapshot) -> bool:
    """Return True if the ResourceQuota of the namespace has no room for further pods of the current revision."""
    return "exceeded quota" in (_replica_failure_message(snapshot) or "")


def _advice(cause: str, reason: Reason, snapshot: Snapshot) -> str:
    if _LIMIT_RANGE.search(cause):
        return _limit_range_advice(snapshot)
    otherwise = "Correct what the message names."
    if reason is Reason.QUOTA_EXCEEDED:
        otherwise = f"{_quota_advice(snapshot)}, or ask for a higher ResourceQuota in the namespace."
    advice = find_advice(cause, ADMISSION_ADVICE, otherwise=otherwise)
    return with_default_requests(advice, snapshot.service.spec) if _REQUESTS.search(cause) else advice


def _quota_advice(snapshot: Snapshot) -> str:
    if snapshot.has_old_pods:
        return f"Pods of the earlier revision count until they are replaced: set {NO_SURGE}"
    return f"Lower {replicas_field(snapshot)} or resources"


def _limit_range_advice(snapshot: Snapshot) -> str:
    command = f"kubectl get limitrange -n {snapshot.service.metadata.namespace} -o yaml"
    advice = f"Set spec.resources to what the LimitRange of the namespace allows: {command}."
    return with_default_requests(advice, snapshot.service.spec)


def replicas_field(snapshot: Snapshot) -> str:
    """Return the field that determines the current number of replicas."""
    service, rollout = snapshot.service, snapshot.rollout
    if replica_owner(service) is not ReplicaOwner.AUTOSCALED:
        return "replicas"
    is_floor = rollout is None or rollout.desired <= min_replicas(service)
    return "autoscaling.minReplicas" if is_floor else "autoscaling.maxReplicas"


def _sort_errors(message: str) -> str:
    """Sort a list of errors: the API server returns them in random order, which differs at each attempt."""
    return _ERROR_LIST.sub(lambda match: f"[{', '.join(sorted(_ERROR_SEPARATOR.split(match[1])))}]", message)


def _classify_message(message: str) -> Reason | None:
    if _QUOTA.search(message):
        return Reason.QUOTA_EXCEEDED
    return Reason.ADMISSION_DENIED if _ADMISSION.search(message) else None


def _replica_failure_message(snapshot: Snapshot) -> str | None:
    """Return the message of ReplicaFailure: of the ReplicaSet, or else its copy in the Deployment."""
    status = (snapshot.current_replica_set or {}).get("status") or {}
    copied = snapshot.rollout.conditions.get("ReplicaFailure") if snapshot.rollout is not None else None
    condition = find_condition(status.get("conditions"), "ReplicaFailure") or copied or {}
    return str(condition.get("message") or "") if condition.get("status") == "True" else None
