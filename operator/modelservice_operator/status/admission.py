"""What the API server's admission says against pods or children, in words of its own, sorted by who has to act."""

import re

from modelservice_operator.status.diagnosis import Finding
from modelservice_operator.status.reasons import Reason
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import find_advice, normalize, truncate, with_full_stop

_QUOTA = re.compile(r"exceeded quota|failed quota|insufficient quota", re.IGNORECASE)
_ADMISSION = re.compile(
    r"violates PodSecurity|admission webhook|failed calling webhook|ValidatingAdmissionPolicy|denied the request"
)
_OBJECT_FORBIDDEN = re.compile(r'^pods? "[^"]*" is forbidden: ')
_ADVICE = (
    (r"must specify", "Set a value in resources for each resource that the quota limits."),
    (r"quota", "Lower replicas or resources, or ask for a higher ResourceQuota in the namespace."),
    (
        r"violates PodSecurity",
        "The Pod Security level of the namespace forbids these pods: change the spec or the level.",
    ),
    (r"failed calling webhook", "The admission webhook is not responding. Check the service behind it."),
    (r"admission webhook|AdmissionPolicy", "An admission policy denied the pods: change what the message names."),
    (r"serviceaccount .*not found", "Create the ServiceAccount, or correct serviceAccountName."),
    (r"PriorityClass", "Create the PriorityClass, or correct priorityClassName."),
    (r"RuntimeClass", "Create the RuntimeClass, or correct runtimeClassName."),
    (r"(minimum|maximum) .* usage", "Change resources to what the LimitRange of the namespace allows."),
)


def classify_admission_error(text: str) -> Reason | None:
    """Whether a refusal is the quota's or admission's; None when it is something else, as missing rights are."""
    if _QUOTA.search(text):
        return Reason.QUOTA_EXCEEDED
    return Reason.ADMISSION_DENIED if _ADMISSION.search(text) else None


def pod_creation_failure(observed: Snapshot) -> Finding | None:
    """Why further pods of the current revision cannot be created."""
    message = _replica_failure_message(observed)
    if message is None:
        return None
    forbidden = Reason.ADMISSION_DENIED if "is forbidden: " in message else Reason.REPLICA_FAILURE
    reason = classify_admission_error(message) or forbidden
    why = with_full_stop(truncate(_OBJECT_FORBIDDEN.sub("", normalize(message, observed)) or "no reason given"))
    hint = find_advice(why, _ADVICE, otherwise="Correct what the message names.")
    return Finding(reason, f"pods cannot be created: {why} {hint}", covers_all_pods=True)


def _replica_failure_message(observed: Snapshot) -> str | None:
    """The ReplicaSet's own words, else those that its Deployment has copied."""
    status = (observed.current_replica_set or {}).get("status") or {}
    conditions = {entry.get("type"): entry for entry in status.get("conditions") or ()}
    copied = observed.rollout.conditions.get("ReplicaFailure") if observed.rollout is not None else None
    found = conditions.get("ReplicaFailure") or copied or {}
    return str(found.get("message") or "") if found.get("status") == "True" else None
