"""What a cache keeps of each kind: only what is read. Pure; reducing what is reduced changes nothing.

Two bodies that reduce to the same but for their versions are the same to the operator: nobody is woken.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.managed_fields import is_own_create_entry
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.resources.metadata import (
    HAS_UPDATE_FIELDS,
    INSTANCE_LABEL,
    LOADER_NAME,
    MANAGED_BY_LABEL,
    MODEL_CACHE_KEY_LABEL,
    OWNER_ANNOTATION,
    RESOLVER_NAME,
    REVISION,
    TEMPLATE_HASH,
)
from modelservice_operator.settings import FIELD_MANAGER

MAX_TEXT_CHARS = 1024
"""Characters that are kept of a message."""
MAX_REPORT_CHARS = 4096
"""The same of a loader's report, which is one line of JSON: a termination message has so many (core/v1, Container)."""
_IDENTITY = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_LABELS = (INSTANCE_LABEL, TEMPLATE_HASH, MODEL_CACHE_KEY_LABEL)
_POD_CONDITIONS = frozenset({"PodScheduled", "PodReadyToStartContainers"})
"""Conditions that say something only while they do not hold; besides them, Ready is always kept."""


def transform_child(body: Object) -> Object:
    """Keep of a child what is read: managedFields are most of its size, and one bit of them is enough."""
    metadata = body["metadata"]
    posted = body.get(HAS_UPDATE_FIELDS) or any(
        is_own_create_entry(entry) for entry in metadata.get("managedFields") or ()
    )
    kept = {name: value for name, value in metadata.items() if name != "managedFields"}
    return body | {"metadata": kept, HAS_UPDATE_FIELDS: posted}


def transform_model_service(body: Object) -> Object:
    """Keep of a ModelService what is read."""
    kept = {name: value for name, value in body["metadata"].items() if name not in {"managedFields", "annotations"}}
    return body | {"metadata": kept}


def transform_autoscaler(body: Object) -> Object:
    """Keep one that may be ours as any child but its metrics, and of somebody else's only what it scales."""
    if _may_be_child(body["metadata"]):
        # The figures change with each look of its controller, every 15 s, and nobody here reads them.
        status = {name: value for name, value in (body.get("status") or {}).items() if name != "currentMetrics"}
        return transform_child(body) | ({"status": status} if status else {})
    kept = _identity(body) | {"ownerReferences": body["metadata"].get("ownerReferences") or []}
    return {"metadata": kept, "spec": {"scaleTargetRef": (body.get("spec") or {}).get("scaleTargetRef") or {}}}


def transform_pod(body: Object) -> Object:
    """A Pod: who it is, whose, and why it is not ready. A healthy one takes fewer than 500 bytes as JSON."""
    status = body.get("status") or {}
    kept = {
        **_text_fields(status, "phase", "reason", "message"),
        "conditions": _pod_conditions(status.get("conditions") or ()),
        "initContainerStatuses": _containers(status.get("initContainerStatuses") or ()),
        "containerStatuses": _containers(status.get("containerStatuses") or ()),
    }
    return {"metadata": _metadata(body), "status": _omit_empty(kept)}


def transform_replica_set(body: Object) -> Object:
    """A ReplicaSet: of which revision it is, and why it cannot create pods. The counts are the Deployment's."""
    metadata = body.get("metadata") or {}
    annotations = _text_fields(metadata.get("annotations") or {}, REVISION)
    conditions = (body.get("status") or {}).get("conditions") or ()
    refused = [_condition(entry) for entry in conditions if _holds(entry, "ReplicaFailure")]
    return {
        "metadata": _metadata(body) | _omit_empty({"annotations": annotations}),
        "status": _omit_empty({"conditions": refused}),
    }


def _may_be_child(metadata: Object) -> bool:
    controlled = any(ref.get("kind") == MODEL_SERVICE.kind for ref in metadata.get("ownerReferences") or ())
    labelled = (metadata.get("labels") or {}).get(MANAGED_BY_LABEL) == FIELD_MANAGER
    return controlled or labelled or OWNER_ANNOTATION in (metadata.get("annotations") or {})


def _identity(body: Object) -> Object:
    return _text_fields(body["metadata"], *_IDENTITY)


def _metadata(body: Object) -> Object:
    metadata = body.get("metadata") or {}
    owners = metadata.get("ownerReferences") or ()
    kept = {
        "labels": _text_fields(metadata.get("labels") or {}, *_LABELS),
        "ownerReferences": [
            {"controller": True, "uid": owner.get("uid")} for owner in owners if owner.get("controller")
        ],
    }
    return _text_fields(metadata, *_IDENTITY) | _omit_empty(kept)


def _pod_conditions(conditions: Iterable[Mapping[str, Any]]) -> list[Object]:
    kept = [
        entry
        for entry in conditions
        if entry.get("type") == "Ready" or (entry.get("type") in _POD_CONDITIONS and not _holds(entry))
    ]
    return sorted((_condition(entry) for entry in kept), key=lambda entry: str(entry.get("type")))


def _holds(condition: Mapping[str, Any], *types: str) -> bool:
    return condition.get("status") == "True" and (not types or condition.get("type") in types)


def _condition(condition: Mapping[str, Any]) -> Object:
    """Times are left out: nobody reads them, and a heartbeat is no change."""
    return _text_fields(condition, "type", "status", "reason", "message")


def _containers(statuses: Iterable[Mapping[str, Any]]) -> list[Object]:
    """Those that are not as they should be, or were not: a container that is ready and never ended says nothing."""
    kept = [_container(status) for status in statuses]
    return sorted(filter(_has_information, kept), key=lambda entry: str(entry.get("name")))


def _has_information(entry: Object) -> bool:
    """A loader that succeeded says what it loaded."""
    return not entry["ready"] or "lastState" in entry or entry.get("name") == LOADER_NAME


def _container(status: Mapping[str, Any]) -> Object:
    longest = MAX_REPORT_CHARS if status.get("name") in {LOADER_NAME, RESOLVER_NAME} else MAX_TEXT_CHARS
    ended = _terminated((status.get("lastState") or {}).get("terminated") or {}, longest)
    kept = {
        **_text_fields(status, "name"),
        "ready": bool(status.get("ready")),
        "started": bool(status.get("started")),
        "state": _state(status.get("state") or {}, longest),
        "lastState": _omit_empty({"terminated": ended}),
    }
    return _omit_empty(kept)


def _state(state: Mapping[str, Any], longest: int) -> Object:
    if state.get("terminated") is not None:
        return {"terminated": _terminated(state["terminated"], longest)}
    if state.get("waiting") is not None:
        return {"waiting": _text_fields(state["waiting"], "reason", "message")}
    return {"running": {}} if state.get("running") is not None else {}


def _terminated(terminated: Mapping[str, Any], longest: int) -> Object:
    """How a container ended. Its last words count, so of those the end is kept."""
    kept = _text_fields(terminated, "reason", "finishedAt")
    last_words = terminated.get("message")
    return kept | _omit_empty(
        {"exitCode": terminated.get("exitCode"), "message": str(last_words)[-longest:] if last_words else None}
    )


def _text_fields(source: Mapping[str, Any], *names: str) -> Object:
    """The fields of these names that say something, each cut to what a person would read."""
    return {name: str(source[name])[:MAX_TEXT_CHARS] for name in names if source.get(name)}


def _omit_empty(fields: Object) -> Object:
    """Without what is empty; False and 0 are values."""
    return {name: value for name, value in fields.items() if value not in (None, "", {}, [])}
