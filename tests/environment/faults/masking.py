"""Objects without what differs from run to run: names, UIDs, versions, times, addresses, what other controllers say."""

import json
from collections.abc import Mapping
from typing import Any

from modelservice_operator.settings import FIELD_MANAGER

MASK = "<masked>"
_METADATA = frozenset({"uid", "resourceVersion", "creationTimestamp"})
_TIMES = frozenset({"lastTransitionTime", "lastUpdateTime"})
_ANNOTATIONS = frozenset({"modelservice.dev/desired-hash", "modelservice.dev/owner-uid"})
_ADDRESSES = frozenset({"clusterIP", "clusterIPs"})
_POD_HASH = "pod-template-hash"
_COUNTS = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas", "unavailableReplicas")

Object = Mapping[str, Any]


def masked(body: Object, words: Mapping[str, str]) -> dict[str, Any]:
    """Return an object that is equal in every fault-free run. `words` maps names and UIDs to their placeholders."""
    kept = {name: value for name, value in body.items() if name not in {"metadata", "status"}}
    kept["metadata"] = _metadata(body["metadata"])
    if (status := _status(body)) is not None:
        kept["status"] = status
    text = json.dumps(_without(kept))
    for word, stand_in in words.items():
        text = text.replace(word, stand_in)
    result: dict[str, Any] = json.loads(text)
    return result


def masked_replica_set(body: Object, words: Mapping[str, str]) -> dict[str, Any]:
    """Return of a ReplicaSet what a Deployment's revision is: its pods, and how many there are."""
    revision = (body["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision")
    spec = {"replicas": body["spec"].get("replicas"), "template": body["spec"]["template"]}
    return masked({"metadata": {"annotations": {"revision": revision}}, "spec": spec}, words)


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """Say where two JSON values differ, one sentence a place."""
    if isinstance(expected, dict) and isinstance(found, dict):
        places = (
            differences(expected.get(key), found.get(key), f"{path}.{key}") for key in sorted({*expected, *found})
        )
        return [sentence for place in places for sentence in place]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return [sentence for index, pair in pairs for sentence in differences(*pair, f"{path}[{index}]")]
    if expected == found:
        return []
    return [f"{path or '.'} is {_short(found)} instead of {_short(expected)}"]


def _metadata(metadata: Object) -> dict[str, Any]:
    kept = {name: value for name, value in metadata.items() if name not in _METADATA | {"managedFields"}}
    if "annotations" in kept:
        kept["annotations"] = {
            name: MASK if name in _ANNOTATIONS else value for name, value in kept["annotations"].items()
        }
    ours = [
        {name: entry.get(name) for name in ("operation", "subresource", "fieldsV1")}
        for entry in metadata.get("managedFields") or ()
        if entry.get("manager") == FIELD_MANAGER
    ]
    return kept | ({"ours": sorted(ours, key=json.dumps)} if ours else {})


def without_autoscaler(status: Object) -> dict[str, Any]:
    """Return a ModelService's status without what an autoscaler's controller makes it say, in its own time."""
    conditions = [
        {"type": entry["type"]} if entry["type"] == "AutoscalerReady" else entry
        for entry in status.get("conditions") or ()
    ]
    kept = {name: value for name, value in status.items() if name != "autoscaling"}
    return kept | ({"conditions": conditions} if conditions else {})


def _status(body: Object) -> Any:
    """Return the status of a ModelService, of a Deployment its counts, of anything else nothing."""
    status = body.get("status") or {}
    match body.get("kind"):
        case "ModelService":
            return without_autoscaler(status)
        case "Deployment":
            return {name: status.get(name, 0) for name in _COUNTS}
        case _:
            return None


def _without(value: Any) -> Any:
    if isinstance(value, list):
        return [_without(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: MASK if name in _ADDRESSES else _without(item)
        for name, item in value.items()
        if name not in _TIMES and name != _POD_HASH
    }


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:200] + "…"
