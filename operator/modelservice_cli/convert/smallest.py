"""Leaves out of a spec every field whose absence yields the same children."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from modelservice_cli.convert.defaults import add_defaults
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Json, Object
from modelservice_operator.errors import InvalidSpecError
from modelservice_operator.resources import build_children
from modelservice_operator.resources.metadata import HASH_ANNOTATION

_KEPT = frozenset({"image", "managedBy"})
"""Fields that mean something beyond the children: an external autoscaler sets the replicas later."""
_OPAQUE = frozenset(
    {"args", "command", "env", "podLabels", "podAnnotations", "nodeSelector", "labels", "annotations", "mounts"}
)
"""Fields of which no part is a default, except the variables of the operator. A mount needs its source in any case."""
_OWN_VARIABLES = frozenset({"PORT", "MODEL_NAME", "HOME", "USER", "XDG_CACHE_HOME"})
_UID = "00000000-0000-0000-0000-000000000000"
# minReplicas is the minimum in any case; `replicas` only a start, if there is an autoscaler.
_FIRST = ("replicas",)


def children_of(name: str, spec: Object, namespace: str | None = None) -> list[Object]:
    """Return the children of a ModelService. Raises InvalidSpecError if the spec does not have the form of one."""
    metadata = {"name": name, "namespace": namespace or "default", "uid": _UID}
    body = {
        "apiVersion": MODEL_SERVICE.api_version,
        "kind": MODEL_SERVICE.kind,
        "metadata": metadata,
        "spec": spec,
    }
    return [child.create_body() for child in build_children(ModelService.parse(body))]


def smallest(name: str, spec: Object) -> Object:
    """Return the spec without the fields that change nothing."""
    spec = copy.deepcopy(spec)
    wanted = fingerprint(children_of(name, spec))
    for holder, key in list(_candidates(spec)):
        # A part may be removed already, together with what it contains.
        if key in holder:
            _try_without(name, spec, holder, key, wanted)
    return spec


def _try_without(name: str, spec: Object, holder: Any, key: Any, wanted: Json) -> None:
    """Remove an entry if the children stay the same."""
    kept = list(holder) if isinstance(holder, list) else dict(holder)
    if isinstance(holder, list):
        holder.remove(key)
    else:
        del holder[key]
    try:
        same = fingerprint(children_of(name, spec)) == wanted
    except InvalidSpecError:
        same = False
    if not same:
        # In place, and with the order of the fields.
        holder.clear()
        holder.extend(kept) if isinstance(holder, list) else holder.update(kept)


def fingerprint(children: Sequence[Object]) -> dict[str, Json]:
    """Return the children with the defaults of the API server; the order of variables does not count."""
    # A copy by JSON takes a tenth of the time of deepcopy.
    copies = [orjson.loads(orjson.dumps(body)) for body in children]
    for body in copies:
        add_defaults(body)
        # A written default has another hash than a missing field, and means the same.
        body["metadata"]["annotations"].pop(HASH_ANNOTATION)
        if body["kind"] == "Deployment":
            for container in body["spec"]["template"]["spec"]["containers"]:
                container.get("env", []).sort(key=lambda variable: str(variable["name"]))
    return {body["kind"]: body for body in copies}


def _candidates(spec: Object) -> Iterator[tuple[Any, Any]]:
    """Yield holders and their entries that may be defaults: parts before what they contain."""
    for key in sorted(spec, key=lambda field: field not in _FIRST):
        yield from _entries(spec, key)
    if isinstance(spec.get("env"), list):
        for variable in list(spec["env"]):
            if variable.get("name") in _OWN_VARIABLES:
                yield spec["env"], variable


def _entries(holder: Object, key: str) -> Iterator[tuple[Any, Any]]:
    value = holder.get(key)
    if key in _KEPT or key in _OPAQUE:
        return
    if not (isinstance(value, dict) and _KEPT & value.keys()):
        yield holder, key
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            for below in list(item):
                if below != "name":
                    yield from _entries(item, below)
