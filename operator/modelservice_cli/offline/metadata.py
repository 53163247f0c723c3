"""Validates the metadata of an object as the API server does (apimachinery, api/validation/objectmeta.go)."""

from collections.abc import Iterator, Mapping
from typing import Any

from modelservice_cli.go_text import to_json
from modelservice_cli.offline.field_errors import ErrorType, FieldError, Steps, invalid, too_long
from modelservice_cli.offline.names import key_errors, label_errors, label_value_errors, subdomain_errors

_MAX_ANNOTATION_BYTES = 256 * 1024
RANDOM_CHARACTERS = 5
"""Characters that the server appends to generateName."""
_TIMES = {"creationTimestamp", "deletionTimestamp"}
_FIELD_TYPES = {
    **dict.fromkeys(("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion"), "string"),
    **dict.fromkeys(("generation", "deletionGracePeriodSeconds"), "int64"),
    **dict.fromkeys(("labels", "annotations"), "map[string]string"),
    "finalizers": "[]string",
    "ownerReferences": "[]v1.OwnerReference",
    "managedFields": "[]v1.ManagedFieldsEntry",
}
"""Types of the fields of ObjectMeta in Go (apimachinery, meta/v1)."""
KNOWN_FIELDS = _FIELD_TYPES.keys() | _TIMES
_PYTHON_TYPES = {"string": str, "int64": int, "map[string]string": dict}
_GO_TYPES = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}


def decoding_error(metadata: Any) -> tuple[str, Steps] | None:
    """Return the sentence of Go's JSON decoder for a value of another type, and its path; None if all are right."""
    if not isinstance(metadata, dict):
        return _cannot_decode(metadata, "v1.ObjectMeta", "", ("metadata",))
    for key, value in metadata.items():
        expected = _FIELD_TYPES.get(key)
        if value is None or expected is None:
            continue
        if not isinstance(value, _PYTHON_TYPES.get(expected, list)) or isinstance(value, bool):
            return _cannot_decode(value, expected, key, ("metadata", key))
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        inner = expected.partition("]")[2]
        for step, one in items:
            if one is not None and not isinstance(one, str if inner == "string" else dict):
                return _cannot_decode(one, inner, key, ("metadata", key, step))
    return None


def _cannot_decode(value: Any, expected: str, key: str, steps: Steps) -> tuple[str, Steps]:
    field = f"Go struct field ObjectMeta.{key} of type" if key else "Go value of type"
    given = f"number {to_json(value)}" if isinstance(value, float) and expected == "int64" else _GO_TYPES[type(value)]
    return f"json: cannot unmarshal {given} into {field} {expected}", steps


def validate_metadata(metadata: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield the errors of the metadata of an object in a namespace."""
    if prefix := metadata.get("generateName"):
        # The server checks the prefix with a letter in place of the random characters (maskTrailingDash).
        masked = prefix[:-2] + "a" if prefix.endswith("-") and len(prefix) > 1 else prefix
        yield from _invalid("generateName", prefix, subdomain_errors(masked))
    if name := metadata.get("name"):
        yield from _invalid("name", name, subdomain_errors(name))
    else:
        yield FieldError(
            ErrorType.REQUIRED, "metadata.name", "", "name or generateName is required", ("metadata", "name")
        )
    if namespace := metadata.get("namespace"):
        yield from _invalid("namespace", namespace, label_errors(namespace))
    for key, value in (metadata.get("labels") or {}).items():
        yield from _invalid("labels", key, key_errors(key), key)
        yield from _invalid("labels", value or "", label_value_errors(value or ""), key)
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        yield from _invalid("annotations", key, key_errors(key.lower()), key)
    if sum(len(part.encode()) for pair in annotations.items() for part in pair if part) > _MAX_ANNOTATION_BYTES:
        yield too_long("metadata.annotations", _MAX_ANNOTATION_BYTES, ("metadata", "annotations"))
    for finalizer in metadata.get("finalizers") or ():
        yield from _invalid("finalizers", finalizer, key_errors(finalizer))


def _invalid(field: str, value: str, messages: list[str], *more: str) -> Iterator[FieldError]:
    for message in messages:
        yield invalid(f"metadata.{field}", value, message, ("metadata", field, *more))
