"""Checks that lists of the types `set` and `map` have unique items or keys (apiextensions, schema/listtype)."""

from collections.abc import Iterator
from typing import Any

from modelservice_cli.go_text import to_json
from modelservice_cli.offline.field_errors import ErrorType, FieldError, Steps, invalid
from modelservice_cli.offline.structure import Schema

LIST_TYPE, LIST_MAP_KEYS = "x-kubernetes-list-type", "x-kubernetes-list-map-keys"


def validate_lists(value: Any, schema: Schema | None, path: str = "", steps: Steps = ()) -> Iterator[FieldError]:
    """Yield the errors of all lists in a value."""
    if schema is None:
        return
    if isinstance(value, dict):
        values = schema.get("additionalProperties")
        for key, one in value.items():
            if key in schema.get("properties", {}):
                inner = f"{path}.{key}" if path else key
                yield from validate_lists(one, schema["properties"][key], inner, (*steps, key))
            elif isinstance(values, dict):
                yield from validate_lists(one, values, f"{path}[{key}]", (*steps, key))
    elif isinstance(value, list):
        match schema.get(LIST_TYPE):
            case "set":
                yield from _duplicates(value, value, path, steps)
            case "map":
                yield from _map_errors(value, schema[LIST_MAP_KEYS], path, steps)
        for index, item in enumerate(value):
            yield from validate_lists(item, schema.get("items"), f"{path}[{index}]", (*steps, index))


def _map_errors(items: list[Any], names: list[str], path: str, steps: Steps) -> Iterator[FieldError]:
    for index, item in enumerate(items):
        if item is not None and not isinstance(item, dict):
            detail = "must be an object for an array of list-type map"
            yield invalid(f"{path}[{index}]", item, detail, (*steps, index))
            return
    keys = [{name: item[name] for name in names if name in (item or {})} for item in items]
    yield from _duplicates(keys, keys, path, steps)


def _duplicates(keys: list[Any], shown: list[Any], path: str, steps: Steps) -> Iterator[FieldError]:
    """Yield an error for the second of equal keys; further ones add none."""
    seen: dict[tuple[str, str], int] = {}
    for index, key in enumerate(keys):
        identity = (type(key).__name__, to_json(key))
        seen[identity] = seen.get(identity, 0) + 1
        if seen[identity] == 2:  # noqa: PLR2004  the second
            yield FieldError(ErrorType.DUPLICATE, f"{path}[{index}]", shown[index], "", (*steps, index))
