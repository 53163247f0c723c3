"""Changes that another client could make to a node of a live object: other values, and additions next to it.

The API server decides which of them are valid.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.openapi_walk import SchemaNode, Step

_OTHER_STRINGS = ("1", "8Gi", "9%", "198.51.100.0/24", "Percent", "metadata.name", "tmp", "labels")
"""Values for strings that must have a format: quantities, percentages, addresses, names of other parts."""
_VALUES_OF_A_TYPE: Mapping[str, list[Any]] = {"boolean": [True], "integer": [1], "string": ["foreign"]}


def other_values(node: SchemaNode) -> list[Any]:
    """Return values that differ from the desired one; the first that the API server accepts is used."""
    desired = node.desired
    if isinstance(desired, bool):
        return [not desired]
    if isinstance(desired, int):
        return [desired + 1, desired - 1]
    if not isinstance(desired, str):
        return []
    if node.schema.enum:
        return [choice for choice in node.schema.enum if choice != desired]
    number = [str(int(desired) + 1)] if desired.isdecimal() else []
    return [*number, f"{desired}x", f"x{desired}", *_OTHER_STRINGS]


def possible_additions(node: SchemaNode, live: Any, suffix: str) -> Iterator[tuple[Step, Any]]:
    """Yield fields, keys or items that could be added below a node: the step to each, and its value."""
    if isinstance(node.desired, list):
        yield from _additional_items(node, suffix)
    elif node.schema.fields:
        yield from _additional_fields(node, live)
    elif isinstance(node.desired, dict):
        # A label or an annotation; a resource must be a known one or have a domain.
        yield from ((f"example.com/{suffix}", "1"), ("ephemeral-storage", "1"))


def _additional_fields(node: SchemaNode, live: Any) -> Iterator[tuple[Step, Any]]:
    for name in node.schema.fields:
        schema = node.schema.child(name)
        if name not in live:
            yield from ((name, value) for value in schema.enum or _VALUES_OF_A_TYPE.get(schema.type, []))


def _additional_items(node: SchemaNode, suffix: str) -> Iterator[tuple[Step, Any]]:
    last = node.desired[-1]
    if not isinstance(last, dict):
        yield "-", f"{last}-{suffix}"
    elif node.schema.list_map_keys:
        item = copy.deepcopy(last) | {
            name: other for name in last if (other := _unique_value(name, last[name], suffix))
        }
        yield tuple((key, item[key]) for key in node.schema.list_map_keys), item
    else:
        yield "-", copy.deepcopy(last)


def _unique_value(name: str, value: Any, suffix: str) -> Any:
    """Return another value of a field that must be unique in its list; None for other fields."""
    match name:
        case "name":
            return f"foreign-{suffix}"
        case "mountPath":
            return f"/foreign-{suffix}"
        case "topologyKey":
            return f"example.com/{suffix}"
        case "port" | "containerPort":
            return value + 1
    return None
