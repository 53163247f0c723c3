"""managedFields (KEP-555): whose a field is, and how our POST's fields become applied ones. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from modelservice_operator.settings import FIELD_MANAGER

Object = dict[str, Any]

_SHARED_PREFIX_STEPS = 2
"""Steps at the beginning of a path that many fields share, as `spec.template` or `metadata.labels`."""
_STEP = re.compile(r"\.([^.\[]+)|\[([^\]]*)\]")


def is_own_create_entry(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of managedFields holds what our POST set."""
    ours = entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Update"
    return ours and not entry.get("subresource")


def upgrade_managed_fields(entries: list[Object]) -> list[Object]:
    """Return `managedFields` in which our `Update` entry has become an `Apply` entry without replicas.

    Entries of others and of subresources stay as they are. Where an `Apply` entry of ours exists, the other one goes.
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
    """Who, other than us, owns the field at `path` (as `.spec.ports[http].port`), or most of the way to it.

    Of several the one that wrote last; None when none has anything of it, since who removes a field owns nothing.
    """
    steps = [tuple(step) for step in _STEP.findall(path)]
    others = (entry for entry in entries if entry.get("manager") != FIELD_MANAGER and not entry.get("subresource"))
    found = [
        (_matched_steps(steps, entry.get("fieldsV1") or {}), str(entry.get("time") or ""), entry) for entry in others
    ]
    depth, _, entry = max(found, key=lambda one: one[:2], default=(0, "", {}))
    return entry.get("manager") if depth == len(steps) or depth > _SHARED_PREFIX_STEPS else None


def _matched_steps(steps: list[tuple[str, ...]], fields: Mapping[str, Any]) -> int:
    """How many steps of a path an entry's fields go along with."""
    depth = 0
    for field, item in steps:
        below = fields.get(f"f:{field}") if field else next(_items(fields, item), None)
        if below is None:
            return depth
        fields, depth = below, depth + 1
        if not fields:  # owned as a whole, as atomic lists and maps are
            return len(steps)
    return depth


def _items(fields: Mapping[str, Any], item: str) -> Iterator[Mapping[str, Any]]:
    """Fields of the list item that is told apart by the values `item` (see `Desired.difference`)."""
    for name, below in fields.items():
        if name.startswith("k:") and ",".join(map(str, json.loads(name[2:]).values())) == item:
            yield below
