"""What is read of Pods and ReplicaSets, and nothing else: thousands of them are cached, and each change is looked at.

A reduced object has the shape of the whole one, as plain JSON. Reducing it once more changes nothing; two that differ
in more than their resourceVersion differ in something that `status` reads.
"""

from collections.abc import Iterable, Mapping
from typing import Any

INSTANCE_LABEL = "app.kubernetes.io/instance"
POD_HASH_LABEL = "pod-template-hash"
"""Label by which a ReplicaSet and its pods are told from those of other revisions (apps/v1)."""
REVISION_ANNOTATION = "deployment.kubernetes.io/revision"
LONGEST_TEXT = 1024
"""Characters that are kept of a message; a termination message may have 4096 bytes (core/v1, Container)."""

_IDENTITY = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_LABELS = (INSTANCE_LABEL, POD_HASH_LABEL)
_POD_CONDITIONS = frozenset({"PodScheduled", "PodReadyToStartContainers"})
"""Conditions that say something only while they do not hold; besides them, Ready is always kept."""

Body = Mapping[str, Any]
Reduced = dict[str, Any]


def reduce_pod(body: Body) -> Reduced:
    """A Pod: who it is, whose, and why it is not ready. A healthy one takes fewer than 500 bytes as JSON."""
    status = body.get("status") or {}
    kept = {
        **_texts(status, "phase", "reason", "message"),
        "conditions": _pod_conditions(status.get("conditions") or ()),
        "initContainerStatuses": _containers(status.get("initContainerStatuses") or ()),
        "containerStatuses": _containers(status.get("containerStatuses") or ()),
    }
    return {"metadata": _metadata(body), "status": _present(kept)}


def reduce_replica_set(body: Body) -> Reduced:
    """A ReplicaSet: of which revision it is, and why it cannot create pods. The counts are the Deployment's."""
    metadata = body.get("metadata") or {}
    annotations = _texts(metadata.get("annotations") or {}, REVISION_ANNOTATION)
    conditions = (body.get("status") or {}).get("conditions") or ()
    refused = [_condition(entry) for entry in conditions if _holds(entry, "ReplicaFailure")]
    return {
        "metadata": _metadata(body) | _present({"annotations": annotations}),
        "status": _present({"conditions": refused}),
    }


def _metadata(body: Body) -> Reduced:
    metadata = body.get("metadata") or {}
    owners = metadata.get("ownerReferences") or ()
    kept = {
        "labels": _texts(metadata.get("labels") or {}, *_LABELS),
        "ownerReferences": [
            {"controller": True, "uid": owner.get("uid")} for owner in owners if owner.get("controller")
        ],
    }
    return _texts(metadata, *_IDENTITY) | _present(kept)


def _pod_conditions(conditions: Iterable[Body]) -> list[Reduced]:
    kept = [
        entry
        for entry in conditions
        if entry.get("type") == "Ready" or (entry.get("type") in _POD_CONDITIONS and not _holds(entry))
    ]
    return sorted((_condition(entry) for entry in kept), key=lambda entry: str(entry.get("type")))


def _holds(condition: Body, *types: str) -> bool:
    return condition.get("status") == "True" and (not types or condition.get("type") in types)


def _condition(condition: Body) -> Reduced:
    """Times are left out: nobody reads them, and a heartbeat is no change."""
    return _texts(condition, "type", "status", "reason", "message")


def _containers(statuses: Iterable[Body]) -> list[Reduced]:
    """Those that are not as they should be, or were not: a container that is ready and never ended says nothing."""
    kept = [_container(status) for status in statuses]
    telling = [entry for entry in kept if not entry["ready"] or "lastState" in entry]
    return sorted(telling, key=lambda entry: str(entry.get("name")))


def _container(status: Body) -> Reduced:
    ended = _ended((status.get("lastState") or {}).get("terminated") or {})
    kept = {
        **_texts(status, "name"),
        "ready": bool(status.get("ready")),
        "started": bool(status.get("started")),
        "state": _state(status.get("state") or {}),
        "lastState": _present({"terminated": ended}),
    }
    return _present(kept)


def _state(state: Body) -> Reduced:
    if state.get("terminated") is not None:
        return {"terminated": _ended(state["terminated"])}
    if state.get("waiting") is not None:
        return {"waiting": _texts(state["waiting"], "reason", "message")}
    return {"running": {}} if state.get("running") is not None else {}


def _ended(terminated: Body) -> Reduced:
    """How a container ended. Its last words count, so of those the end is kept."""
    kept = _texts(terminated, "reason", "finishedAt")
    last_words = terminated.get("message")
    return kept | _present(
        {"exitCode": terminated.get("exitCode"), "message": str(last_words)[-LONGEST_TEXT:] if last_words else None}
    )


def _texts(source: Body, *names: str) -> Reduced:
    """The fields of these names that say something, each cut to what a person would read."""
    return {name: str(source[name])[:LONGEST_TEXT] for name in names if source.get(name)}


def _present(fields: Reduced) -> Reduced:
    """Without what is empty; False and 0 are values."""
    return {name: value for name, value in fields.items() if value not in (None, "", {}, [])}
