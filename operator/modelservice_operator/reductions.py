"""What a cache keeps of each kind: only what is read. Pure; reducing what is reduced changes nothing.

Two bodies that reduce to the same but for their versions are the same to the operator: nobody is woken.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from modelservice_operator.api.kinds import DEPLOYMENT, MODEL_SERVICE
from modelservice_operator.observed import POSTED, REVISION, TEMPLATE_HASH
from modelservice_operator.resources.metadata import INSTANCE_LABEL, MANAGED_BY_LABEL, OWNER_ANNOTATION
from modelservice_operator.settings import FIELD_MANAGER

Object = dict[str, Any]
Key = tuple[str, str]

_LONGEST_WORDS = 1024
_IDENTITY = ("name", "namespace", "uid", "resourceVersion", "deletionTimestamp")


def posted_by_us(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of managedFields holds what our POST set."""
    ours = entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Update"
    return ours and not entry.get("subresource")


def reduce_child(body: Object) -> Object:
    """Keep of a child what is read: managedFields are most of its size, and one bit of them is enough."""
    metadata = body["metadata"]
    posted = body.get(POSTED) or any(posted_by_us(entry) for entry in metadata.get("managedFields") or ())
    kept = {name: value for name, value in metadata.items() if name != "managedFields"}
    return body | {"metadata": kept, POSTED: posted}


def reduce_service(body: Object) -> Object:
    """Keep of a ModelService what is read."""
    kept = {name: value for name, value in body["metadata"].items() if name not in {"managedFields", "annotations"}}
    return body | {"metadata": kept}


def reduce_autoscaler(body: Object) -> Object:
    """Keep one that may be ours as any child, and of somebody else's only what it scales."""
    if _may_be_ours(body["metadata"]):
        return reduce_child(body)
    kept = _identity(body) | {"ownerReferences": body["metadata"].get("ownerReferences") or []}
    return {"metadata": kept, "spec": {"scaleTargetRef": (body.get("spec") or {}).get("scaleTargetRef") or {}}}


def reduce_pod(body: Object) -> Object:
    """Keep the revision of a pod, whether it is ready, and of one that is not what may say why."""
    status = body.get("status") or {}
    kept = {
        "phase": status.get("phase"),
        "conditions": [_condition(entry) for entry in status.get("conditions") or () if entry.get("type") in _TELLING],
        **{name: [_container(entry) for entry in status[name]] for name in _CONTAINERS if status.get(name)},
    }
    return {"metadata": _identity(body) | {"labels": _labels(body)}, "status": kept}


def reduce_replica_set(body: Object) -> Object:
    """Keep which revision it is."""
    annotations = body["metadata"].get("annotations") or {}
    kept = {"labels": _labels(body), "annotations": {REVISION: annotations.get(REVISION, "")}}
    return {"metadata": _identity(body) | kept}


def autoscaler_concerns(body: Object) -> tuple[Key, ...]:
    """Say whom an autoscaler concerns: the ModelService of its name, and the one whose Deployment it scales."""
    metadata, target = body["metadata"], (body.get("spec") or {}).get("scaleTargetRef") or {}
    own = (metadata.get("namespace", ""), metadata["name"])
    if target.get("kind") != DEPLOYMENT.kind or target.get("name") in {None, own[1]}:
        return (own,)
    return own, (own[0], target["name"])


def instance_concerns(body: Object) -> tuple[Key, ...]:
    """Say whom a pod or ReplicaSet concerns: the ModelService that its label names."""
    metadata = body["metadata"]
    return ((metadata.get("namespace", ""), (metadata.get("labels") or {}).get(INSTANCE_LABEL, "")),)


_TELLING = frozenset({"PodScheduled", "Ready"})
_CONTAINERS = ("initContainerStatuses", "containerStatuses")


def _may_be_ours(metadata: Object) -> bool:
    controlled = any(ref.get("kind") == MODEL_SERVICE.kind for ref in metadata.get("ownerReferences") or ())
    labelled = (metadata.get("labels") or {}).get(MANAGED_BY_LABEL) == FIELD_MANAGER
    return controlled or labelled or OWNER_ANNOTATION in (metadata.get("annotations") or {})


def _identity(body: Object) -> Object:
    return _picked(body["metadata"], _IDENTITY)


def _labels(body: Object) -> Object:
    return _picked(body["metadata"].get("labels") or {}, (INSTANCE_LABEL, TEMPLATE_HASH))


def _condition(entry: Object) -> Object:
    # Of a condition that is met only that is of interest: when and why it is met changes nothing.
    return _picked(
        entry, ("type", "status") if entry.get("status") == "True" else ("type", "status", "reason", "message")
    )


def _container(entry: Object) -> Object:
    kept = _picked(entry, ("name", "ready", "started"))
    for state in ("state", "lastState"):
        if stopped := {name: _stop(entry[state][name]) for name in _STOPPED if (entry.get(state) or {}).get(name)}:
            kept[state] = stopped
    return kept


_STOPPED = ("waiting", "terminated")


def _stop(state: Object) -> Object:
    kept = _picked(state, ("reason", "message", "exitCode"))
    if len(kept.get("message") or "") > _LONGEST_WORDS:
        # The last words are the last: what a program says at its end tells why it ended.
        kept["message"] = "…" + kept["message"][1 - _LONGEST_WORDS :]
    return kept


def _picked(values: Mapping[str, Any], names: Iterable[str]) -> Object:
    return {name: values[name] for name in names if values.get(name) is not None}
