"""Steps of the API server before it validates an object: unknown fields, nulls, defaults (apiextensions)."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from modelservice_cli.errors import CliError, ExitCode
from modelservice_cli.offline.field_errors import Steps

Schema = Mapping[str, Any]
META_FIELDS = ("apiVersion", "kind", "metadata")
_KEYWORDS = frozenset({
    *("type", "description", "nullable", "default", "enum", "format", "minimum", "maximum", "minLength", "maxLength"),
    *("pattern", "items", "minItems", "maxItems", "properties", "additionalProperties", "required", "minProperties"),
    *("maxProperties", "anyOf", "x-kubernetes-int-or-string", "x-kubernetes-validations", "x-kubernetes-list-type"),
    *("x-kubernetes-list-map-keys", "x-kubernetes-map-type"),
})  # fmt: skip
"""Keywords of a structural schema that the judge evaluates, or that need no evaluation."""
_FORMATS = ("int32", "int64")


@dataclass(frozen=True, slots=True)
class UnknownField:
    """A field that the schema does not have."""

    path: str
    """Path as the server writes it."""
    steps: Steps
    suggestion: str
    """The known field with the closest name; empty if none is close."""


def check_keywords(schema: Schema, path: str) -> None:
    """Raise CliError if a schema has a keyword or a format that the judge does not evaluate."""
    unknown = sorted(key for key in schema if key not in _KEYWORDS)
    if schema.get("format", "int32") not in _FORMATS:
        unknown.append(f"format {schema['format']}")
    if unknown:
        raise CliError(f"The schema has {unknown[0]} at {path}, which cannot be judged offline.", ExitCode.USAGE)
    for key, child in schema.get("properties", {}).items():
        check_keywords(child, f"{path}.{key}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            check_keywords(schema[key], f"{path}[]")


def field_schema(schema: Schema | None, key: str) -> Schema | None:
    """Return the schema of a field, or of the values of a map; None if there is none."""
    if schema is None:
        return None
    properties: Mapping[str, Schema] = schema.get("properties", {})
    return properties.get(key) or _values(schema)


def _values(schema: Schema) -> Schema | None:
    values = schema.get("additionalProperties")
    return values if isinstance(values, dict) else None


def prune(value: Any, schema: Schema | None) -> list[UnknownField]:
    """Remove unknown fields from an object, except those of its metadata; return them sorted by path."""
    found: list[UnknownField] = []
    _prune(value, schema, (), "", found)
    return sorted(found, key=lambda one: one.path)


def _prune(value: Any, schema: Schema | None, steps: Steps, path: str, found: list[UnknownField]) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            _prune(item, schema and schema.get("items"), (*steps, index), f"{path}[{index}]", found)
    elif isinstance(value, dict):
        for key in list(value):
            if not steps and key in META_FIELDS:
                continue
            inner = f"{path}.{key}" if path else key
            child = field_schema(schema, key)
            if child is None and not (schema and schema.get("additionalProperties") is True):
                found.append(UnknownField(inner, (*steps, key), suggest(key, (schema or {}).get("properties", ()))))
                del value[key]
            else:
                _prune(value[key], child, (*steps, key), inner, found)


def suggest(key: str, names: Iterable[str]) -> str:
    """Return the name that may have been meant by `key`; empty if none is close."""
    lowered = {name.lower(): name for name in names}
    written = key.lower().replace("-", "").replace("_", "")
    if written in lowered:
        return lowered[written]
    close = get_close_matches(key.lower(), lowered, n=1, cutoff=0.7)
    return lowered[close[0]] if close else ""


def drop_nulls(value: Any, schema: Schema | None) -> None:
    """Remove null from fields that are not nullable and have no default."""
    if isinstance(value, list):
        for item in value:
            drop_nulls(item, schema and schema.get("items"))
    elif isinstance(value, dict):
        for key in list(value):
            child = field_schema(schema, key)
            if value[key] is None and child is not None and not child.get("nullable") and child.get("default") is None:
                del value[key]
            else:
                drop_nulls(value[key], child)


def set_defaults(value: Any, schema: Schema | None) -> None:
    """Set the defaults of the schema, as the server does before it validates."""
    if schema is None:
        return
    if isinstance(value, list):
        for item in value:
            set_defaults(item, schema.get("items"))
    elif isinstance(value, dict):
        for key, child in schema.get("properties", {}).items():
            default = child.get("default")
            if default is not None and value.get(key) is None and not (key in value and child.get("nullable")):
                value[key] = deepcopy(default)
        for key in value:
            set_defaults(value[key], field_schema(schema, key))
