"""What somebody could do to a place of a live object: other values, and neighbours. The API server judges them."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.openapi_walk import SchemaNode, Step

_OTHER_STRINGS = ("1", "8Gi", "9%", "198.51.100.0/24", "Percent", "metadata.name", "tmp", "labels")
"""Values for strings that are not just any text: amounts, shares, addresses, names of other parts."""
_VALUES_OF_A_TYPE: Mapping[str, list[Any]] = {"boolean": [True], "integer": [1], "string": ["foreign"]}


def other_values(place: SchemaNode) -> list[Any]:
    """Values that differ from the wanted one; the first that the API server takes is used."""
    want = place.want
    if isinstance(want, bool):
        return [not want]
    if isinstance(want, int):
        return [want + 1, want - 1]
    if not isinstance(want, str):
        return []
    if place.schema.choices:
        return [choice for choice in place.schema.choices if choice != want]
    number = [str(int(want) + 1)] if want.isdecimal() else []
    return [*number, f"{want}x", f"x{want}", *_OTHER_STRINGS]


def neighbours(place: SchemaNode, live: Any, mark: str) -> Iterator[tuple[Step, Any]]:
    """Fields, keys or items that could be added below a place: the step to each, and its value."""
    if isinstance(place.want, list):
        yield from _items(place, mark)
    elif place.schema.fields:
        yield from _fields(place, live)
    elif isinstance(place.want, dict):
        # A label, an annotation; a resource must be a known one or have a domain.
        yield from ((f"example.com/{mark}", "1"), ("ephemeral-storage", "1"))


def _fields(place: SchemaNode, live: Any) -> Iterator[tuple[Step, Any]]:
    for name in place.schema.fields:
        schema = place.schema.below(name)
        if name not in live:
            yield from ((name, value) for value in schema.choices or _VALUES_OF_A_TYPE.get(schema.type, []))


def _items(place: SchemaNode, mark: str) -> Iterator[tuple[Step, Any]]:
    last = place.want[-1]
    if not isinstance(last, dict):
        yield "-", f"{last}-{mark}"
    elif place.schema.keys:
        item = copy.deepcopy(last) | {name: other for name in last if (other := _other_key(name, last[name], mark))}
        yield tuple((key, item[key]) for key in place.schema.keys), item
    else:
        yield "-", copy.deepcopy(last)


def _other_key(name: str, value: Any, mark: str) -> Any:
    """Return another value of a field that has to be unique in its list; None for other fields."""
    match name:
        case "name":
            return f"foreign-{mark}"
        case "mountPath":
            return f"/foreign-{mark}"
        case "topologyKey":
            return f"example.com/{mark}"
        case "port" | "containerPort":
            return value + 1
    return None
