"""managedFields (KEP-555): finds the manager of a field, and turns an Update entry into an Apply entry. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.settings import FIELD_MANAGER

_SHARED_PREFIX_STEPS = 2
"""Leading steps of a path that many fields share, such as `spec.template` or `metadata.labels`."""
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


def last_manager_of_field(path: str, entries: list[Object]) -> str | None:
    """Return the field manager, other than the operator, that owns the field at `path` or its closest parent.

    `path` is like `.spec.ports[http].port`. If several managers own it, the one with the latest `time` is returned;
    None if none does, as after the removal of a field.
    """
    steps = [tuple(step) for step in _STEP.findall(path)]
    others = (entry for entry in entries if entry.get("manager") != FIELD_MANAGER and not entry.get("subresource"))
    found = [
        (_matched_steps(steps, entry.get("fieldsV1") or {}), str(entry.get("time") or ""), entry) for entry in others
    ]
    depth, _, entry = max(found, key=lambda one: one[:2], default=(0, "", {}))
    return entry.get("manager") if depth == len(steps) or depth > _SHARED_PREFIX_STEPS else None


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
