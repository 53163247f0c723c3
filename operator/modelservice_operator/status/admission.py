"""Classifies rejections by quota and admission, which the API server reports only as text."""

import re

from modelservice_operator.errors import OperatorError
from modelservice_operator.status.advice import ADMISSION_ADVICE
from modelservice_operator.status.conditions import find_condition
from modelservice_operator.status.findings import Finding
from modelservice_operator.status.reasons import Reason
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import find_advice, normalize, truncate, with_full_stop

_QUOTA = re.compile(r"exceeded quota|failed quota|insufficient quota", re.IGNORECASE)
_ADMISSION = re.compile(
    r"violates PodSecurity|admission webhook|failed calling webhook|ValidatingAdmissionPolicy|denied the request"
)
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
    otherwise = Reason.ADMISSION_DENIED if "is forbidden: " in message else Reason.REPLICA_FAILURE
    reason = _classify_message(message) or otherwise
    cause = _OBJECT_FORBIDDEN.sub("", normalize(message, snapshot)) or "no reason given"
    cause = with_full_stop(truncate(cause))
    advice = find_advice(cause, ADMISSION_ADVICE, otherwise="Correct what the message names.")
    return Finding(reason, f"pods cannot be created: {cause} {advice}", covers_all_pods=True)


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
