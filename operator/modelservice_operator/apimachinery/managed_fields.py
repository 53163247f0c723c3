"""managedFields (KEP-555): finds the managers of a field, and changes who owns which fields. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from modelservice_operator.apimachinery.objects import Json, Object
from modelservice_operator.settings import FIELD_MANAGER

_SHARED_PREFIX_STEPS = 2
"""Leading steps of a path that many fields share, such as `spec.template` or `metadata.labels`."""
_FIELD = "f:"
"""Prefix of a step to a named field; `k:` and `v:` lead to an item of a list, `.` is the node itself."""
_ITSELF = "."
_DEFAULT_KEYS = {"protocol": "TCP"}
"""Keys of list items that the API server sets where they are missing (core/v1, ports)."""
_STEP = re.compile(r"\.([^.\[]+)|\[([^\]]*)\]")


def is_own_create_entry(entry: Mapping[str, Any]) -> bool:
    """Return True if an entry of managedFields contains the fields that the operator's POST set."""
    own_update = entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Update"
    return own_update and not entry.get("subresource")


def upgrade_managed_fields(entries: list[Object]) -> list[Object]:
    """Return managedFields with the operator's `Update` entry turned into an `Apply` entry without replicas.

    Other entries are unchanged. If the operator already has an `Apply` entry, its `Update` entry is removed
    (client-go, util/csaupgrade).
    """
    applied = any(entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" for entry in entries)
    result = []
    for entry in entries:
        if not is_own_create_entry(entry):
            result.append(entry)
        elif not applied:
            fields = entry["fieldsV1"]
            spec = {name: value for name, value in fields.get("f:spec", {}).items() if name != "f:replicas"}
            result.append(entry | {"operation": "Apply", "fieldsV1": fields | {"f:spec": spec}})
    return result


def has_co_owners(entries: Iterable[Mapping[str, Any]]) -> bool:
    """Return True if another manager owns a field that the operator owns too: an apply would not remove that field."""
    others = [entry.get("fieldsV1") or {} for entry in entries if _is_of_another(entry)]
    if not others:
        return False
    own = [entry.get("fieldsV1") or {} for entry in entries if _is_own(entry)]
    return any(_overlaps(fields, other) for fields in own for other in others)


def release_fields(entries: list[Object], desired: Mapping[str, Any]) -> list[Object]:
    """Return managedFields in which the operator is the only owner of its fields that `desired` lacks.

    The next apply of `desired` then removes these fields. An item of a list is released with all its fields, including
    those of other managers only: a container or a port without the others would not be valid.
    """
    own = [entry["fieldsV1"] for entry in entries if _is_own(entry)]
    result = []
    for entry in entries:
        before = after = entry.get("fieldsV1") or {}
        if _is_of_another(entry):
            for released in own:
                after = _without_released(after, released, desired)
        if after == before:
            result.append(entry)
        elif after:
            result.append(entry | {"fieldsV1": after})
    return result


def claim_spec(entries: list[Object], api_version: str) -> list[Object]:
    """Return managedFields in which the operator has applied the spec as well, if another client created it.

    That is a client that set all that the operator did, as one that restores a backup. The replicas and the metadata of
    a pod template are left to it, so that nothing is scaled or restarted.
    """
    own = _claimed_by((entry for entry in entries if _is_own(entry)), api_version)
    others = [entry for entry in entries if not _is_own(entry) and not entry.get("subresource")]
    creators = [entry for entry in others if _includes(_claimed_by([entry], api_version), own)]
    fields = _union(own, _claimed_by(creators, api_version))
    if fields == own:
        return entries
    applied = next((entry for entry in entries if _is_own(entry) and entry.get("operation") == "Apply"), None)
    rest = [entry for entry in entries if entry is not applied]
    identity = {"manager": FIELD_MANAGER, "operation": "Apply", "apiVersion": api_version, "fieldsType": "FieldsV1"}
    entry: Object = applied or {**identity, "fieldsV1": {}}
    return [*rest, entry | {"fieldsV1": entry["fieldsV1"] | {"f:spec": fields}}]


def last_manager_of_field(path: str, entries: list[Object]) -> str | None:
    """Return the field manager, other than the operator, that owns the field at `path` or its closest parent.

    `path` is like `.spec.ports[http].port`. If several managers own it, the one with the latest `time` is returned;
    None if none does, as after the removal of a field.
    """
    steps = [tuple(step) for step in _STEP.findall(path)]
    others = (entry for entry in entries if _is_of_another(entry))
    found = [
        (_matched_steps(steps, entry.get("fieldsV1") or {}), str(entry.get("time") or ""), entry) for entry in others
    ]
    depth, _, entry = max(found, key=lambda one: one[:2], default=(0, "", {}))
    return entry.get("manager") if depth == len(steps) or depth > _SHARED_PREFIX_STEPS else None


def last_manager_of_status(entries: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the field manager, other than the operator, that last wrote the status; None if none did."""
    others = (it for it in entries if it.get("subresource") == "status" and it.get("manager") != FIELD_MANAGER)
    return max(others, key=lambda entry: str(entry.get("time") or ""), default={}).get("manager")


def _is_own(entry: Mapping[str, Any]) -> bool:
    return entry.get("manager") == FIELD_MANAGER and not entry.get("subresource")


def _is_of_another(entry: Mapping[str, Any]) -> bool:
    """Return True for an entry of another manager about the spec or the metadata; a scaler owns the replicas."""
    return entry.get("manager") != FIELD_MANAGER and entry.get("subresource") in {None, "", "scale"}


def _claimed_by(entries: Iterable[Mapping[str, Any]], api_version: str) -> dict[str, Any]:
    """Return the fields of the spec in these entries, without those that are left to their managers."""
    fields: dict[str, Any] = {}
    for entry in entries:
        if entry.get("apiVersion", api_version) == api_version:
            fields = _union(fields, (entry.get("fieldsV1") or {}).get("f:spec") or {})
    fields.pop("f:replicas", None)
    if "f:template" in fields:
        fields["f:template"] = {name: value for name, value in fields["f:template"].items() if name != "f:metadata"}
    return fields


def _includes(fields: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Return True if a set of fields has all of another one (fieldsV1)."""
    return all(name in fields and _includes(fields[name], below) for name, below in others.items())


def _union(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the union of two sets of fields (fieldsV1)."""
    common = {name: _union(first[name], second[name]) for name in first.keys() & second.keys()}
    return {**first, **second, **common}


def _overlaps(own: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return True if both contain a field, not only its parents."""
    shared = (own.keys() & other.keys()) - {_ITSELF}
    return any(not own[step] or not other[step] or _overlaps(own[step], other[step]) for step in shared)


def _without_released(fields: Mapping[str, Any], own: Mapping[str, Any], desired: Json) -> Object:
    """Return `fields` of another manager without those that `own` contains and `desired`, the same node, lacks."""
    result = {}
    for step, below in fields.items():
        wanted, left = _child_of(desired, step), below
        if step in own and step != _ITSELF:
            left = _without_own(step, below, own[step]) if wanted is None else _below(below, own[step], wanted)
        if left or (not below and left is not None):
            result[step] = left
    return result


def _below(fields: Mapping[str, Any], own: Mapping[str, Any], desired: Json) -> Mapping[str, Any] | None:
    """Return what is left of a desired node's fields; None if nothing is."""
    return (_without_released(fields, own, desired) or None) if fields and own else fields


def _without_own(step: str, fields: Mapping[str, Any], own: Mapping[str, Any]) -> Object | None:
    """Return what is left of the fields of an undesired node after those in `own`, and its parents; None if nothing is.

    Nothing is left of an item of a list, nor of a node that either manager owns as a whole.
    """
    if not step.startswith(_FIELD) or not own or not fields:
        return None
    rest = {
        name: left
        for name, below in fields.items()
        if name != _ITSELF and (left := _without_own(name, below, own[name]) if name in own else below) is not None
    }
    return rest or None


def _child_of(node: Json, step: str) -> Json:
    """Return the child of a desired node at a step of fieldsV1; None if there is none."""
    kind, _, text = step.partition(":")
    if kind == "f":
        return node.get(text) if isinstance(node, dict) else None
    items = node if isinstance(node, list) and text else ()
    wanted = json.loads(text) if text else None
    return next((item for item in items if _is_item(kind, item, wanted)), None)


def _is_item(kind: str, item: Json, wanted: Json) -> bool:
    """Return True if an item of a list has these key values, `k:`, or is this value, `v:`."""
    if kind != "k":
        return bool(item == wanted)
    return all(item.get(key, _DEFAULT_KEYS.get(key)) == value for key, value in wanted.items())


def _matched_steps(steps: list[tuple[str, ...]], fields: Mapping[str, Any]) -> int:
    """Return the number of leading steps of a path that `fields` contain."""
    depth = 0
    for field, item in steps:
        below = fields.get(f"f:{field}") if field else next(_items(fields, item), None)
        if below is None:
            return depth
        fields, depth = below, depth + 1
        if not fields:  # owned as a whole: an atomic list or map
            return len(steps)
    return depth


def _items(fields: Mapping[str, Any], item: str) -> Iterator[Mapping[str, Any]]:
    """Yield the fields of the list item with the key values `item`, as in a path of `resources.diff`."""
    for name, below in fields.items():
        if name.startswith("k:") and ",".join(map(str, json.loads(name[2:]).values())) == item:
            yield below
