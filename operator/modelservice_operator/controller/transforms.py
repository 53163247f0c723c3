"""Transforms of each kind: the caches store only what is read. Pure and idempotent (client-go, cache.TransformFunc).

Two bodies with the same transformed content, apart from their versions, are equal: no handler is notified.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.managed_fields import has_co_owners, is_own_create_entry
from modelservice_operator.apimachinery.objects import Json, Object
from modelservice_operator.apimachinery.text import sanitize
from modelservice_operator.apimachinery.well_known import INSTANCE_LABEL, MANAGED_BY_LABEL, REVISION, TEMPLATE_HASH
from modelservice_operator.resources.metadata import (
    ADOPT_BY_ANNOTATION,
    HAS_CO_OWNERS,
    HAS_UPDATE_FIELDS,
    MODEL_CACHE_KEY_LABEL,
    OWNER_ANNOTATION,
    RESOLVER_NAME,
    is_loader_name,
)
from modelservice_operator.settings import FIELD_MANAGER

MAX_TEXT_CHARS = 1024
"""Characters that are stored of a message."""
MAX_LOG_CHARS = 2048
"""Characters that are stored of the log of a terminated container: the kubelet reports as many bytes (core/v1)."""
MAX_REPORT_CHARS = 4096
"""Characters that are stored of a loader's report, one line of JSON: the limit of a termination message (core/v1)."""
_IDENTITY = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_LABELS = (INSTANCE_LABEL, TEMPLATE_HASH, MODEL_CACHE_KEY_LABEL)
_POD_CONDITIONS = frozenset({"PodScheduled", "PodReadyToStartContainers"})
"""Conditions that are stored only while they are not True. Ready is always stored."""


def transform_child(body: Object) -> Object:
    """Drop the managedFields of a child, which are most of its size, and keep two bits of them."""
    metadata = body["metadata"]
    entries = metadata.get("managedFields") or ()
    has_update_fields = body.get(HAS_UPDATE_FIELDS) or any(is_own_create_entry(entry) for entry in entries)
    shared = {HAS_CO_OWNERS: True} if has_co_owners(entries) else {}
    stored = {name: value for name, value in metadata.items() if name != "managedFields"}
    return body | {"metadata": stored, HAS_UPDATE_FIELDS: has_update_fields} | shared


def transform_model_service(body: Object) -> Object:
    """Drop the annotations and managedFields of a ModelService."""
    stored = {name: value for name, value in body["metadata"].items() if name not in {"managedFields", "annotations"}}
    return body | {"metadata": stored}


def transform_autoscaler(body: Object) -> Object:
    """Keep an autoscaler that may be a child, without its metrics, and only the target of any other one."""
    if _may_be_child(body["metadata"]):
        # The metrics change each time its controller runs, every 15 s, and are never read.
        status = {name: value for name, value in (body.get("status") or {}).items() if name != "currentMetrics"}
        return transform_child(body) | ({"status": status} if status else {})
    stored = _identity(body) | {"ownerReferences": body["metadata"].get("ownerReferences") or []}
    return {"metadata": stored, "spec": {"scaleTargetRef": (body.get("spec") or {}).get("scaleTargetRef") or {}}}


def transform_pod(body: Object) -> Object:
    """Keep identity and owner of a Pod, and why it is not ready. A healthy one takes fewer than 500 bytes as JSON."""
    status = body.get("status") or {}
    stored = {
        **_text_fields(status, "phase", "reason", "message", *(["podIP"] if _is_loading(status) else [])),
        "conditions": _pod_conditions(status.get("conditions") or ()),
        "initContainerStatuses": _containers(status.get("initContainerStatuses") or ()),
        "containerStatuses": _containers(status.get("containerStatuses") or ()),
    }
    gates = [_text_fields(gate, "name") for gate in (body.get("spec") or {}).get("schedulingGates") or ()]
    spec = {"spec": {"schedulingGates": gates}} if gates else {}
    return {"metadata": _metadata(body), **spec, "status": _omit_empty(stored)}


def _is_loading(pod_status: Mapping[str, Any]) -> bool:
    """Return True while a loader runs: only then its address is read (see `events.load_progress`)."""
    containers = pod_status.get("initContainerStatuses") or ()
    loaders = (one for one in containers if is_loader_name(one.get("name")))
    return any((loader.get("state") or {}).get("running") is not None for loader in loaders)


def transform_replica_set(body: Object) -> Object:
    """Keep the revision of a ReplicaSet, and why it cannot create pods. The counts are read of the Deployment."""
    metadata = body.get("metadata") or {}
    annotations = _text_fields(metadata.get("annotations") or {}, REVISION)
    conditions = (body.get("status") or {}).get("conditions") or ()
    failures = [_condition(entry) for entry in conditions if _holds(entry, "ReplicaFailure")]
    return {
        "metadata": _metadata(body) | _omit_empty({"annotations": annotations}),
        "status": _omit_empty({"conditions": failures}),
    }


def _may_be_child(metadata: Object) -> bool:
    is_controlled = any(ref.get("kind") == MODEL_SERVICE.kind for ref in metadata.get("ownerReferences") or ())
    is_labelled = (metadata.get("labels") or {}).get(MANAGED_BY_LABEL) == FIELD_MANAGER
    annotations = metadata.get("annotations") or {}
    return is_controlled or is_labelled or OWNER_ANNOTATION in annotations or ADOPT_BY_ANNOTATION in annotations


def _identity(body: Object) -> Object:
    return _text_fields(body["metadata"], *_IDENTITY)


def _metadata(body: Object) -> Object:
    metadata = body.get("metadata") or {}
    owners = metadata.get("ownerReferences") or ()
    stored = {
        "labels": _text_fields(metadata.get("labels") or {}, *_LABELS),
        "ownerReferences": [
            {"controller": True, "uid": owner.get("uid")} for owner in owners if owner.get("controller")
        ],
    }
    return _text_fields(metadata, *_IDENTITY) | _omit_empty(stored)


def _pod_conditions(conditions: Iterable[Mapping[str, Any]]) -> list[Object]:
    stored = [
        entry
        for entry in conditions
        if entry.get("type") == "Ready" or (entry.get("type") in _POD_CONDITIONS and not _holds(entry))
    ]
    return sorted((_condition(entry) for entry in stored), key=lambda entry: str(entry.get("type")))


def _holds(condition: Mapping[str, Any], *types: str) -> bool:
    return condition.get("status") == "True" and (not types or condition.get("type") in types)


def _condition(condition: Mapping[str, Any]) -> Object:
    """Keep a condition without its times, which are never read: a heartbeat does not count as a change."""
    return _text_fields(condition, "type", "status", "reason", "message")


def _containers(statuses: Iterable[Mapping[str, Any]]) -> list[Object]:
    """Keep the containers that are not ready, or that terminated before."""
    stored = [_container(status) for status in statuses]
    return sorted(filter(_has_information, stored), key=lambda entry: str(entry.get("name")))


def _has_information(entry: Object) -> bool:
    """Return True if the container has something to report, as a loader that succeeded also has."""
    return not entry["ready"] or "lastState" in entry or is_loader_name(entry.get("name"))


def _container(status: Mapping[str, Any]) -> Object:
    reports = is_loader_name(status.get("name")) or status.get("name") == RESOLVER_NAME
    max_chars = MAX_REPORT_CHARS if reports else MAX_LOG_CHARS
    ended = _terminated((status.get("lastState") or {}).get("terminated") or {}, max_chars)
    stored = {
        **_text_fields(status, "name"),
        "ready": bool(status.get("ready")),
        "started": bool(status.get("started")),
        "state": _state(status.get("state") or {}, max_chars),
        "lastState": _omit_empty({"terminated": ended}),
    }
    return _omit_empty(stored)


def _state(state: Mapping[str, Any], max_chars: int) -> Object:
    if state.get("terminated") is not None:
        return {"terminated": _terminated(state["terminated"], max_chars)}
    if state.get("waiting") is not None:
        return {"waiting": _text_fields(state["waiting"], "reason", "message")}
    return {"running": {}} if state.get("running") is not None else {}


def _terminated(terminated: Mapping[str, Any], max_chars: int) -> Object:
    """Keep how a container terminated. The end of a log is the important part, so the end of the message is kept."""
    stored = _text_fields(terminated, "reason", "finishedAt")
    text = terminated.get("message")
    return stored | _omit_empty(
        {"exitCode": terminated.get("exitCode"), "message": sanitize(str(text or "")[-max_chars:], max_chars)}
    )


def _text_fields(source: Mapping[str, Any], *names: str) -> Object:
    """Return the fields of these names that are not empty, each valid text of a readable length."""
    return {name: _text(source[name]) for name in names if source.get(name)}


def _text(value: Json) -> str:
    if type(value) is str and len(value) <= MAX_TEXT_CHARS and value.isprintable():
        return value  # nearly all; every event of a pod has dozens
    return sanitize(str(value), MAX_TEXT_CHARS)


def _omit_empty(fields: Object) -> Object:
    """Return the fields that are not empty; False and 0 are values."""
    return {name: value for name, value in fields.items() if value not in (None, "", {}, [])}
