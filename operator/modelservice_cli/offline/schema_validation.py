"""Validates a value against a structural schema with the sentences of the API server (kube-openapi).

The order is the server's where that has one: it visits the fields of an object in random order, this module in that of
the object.
"""

from collections.abc import Callable, Iterator
from typing import Any

from modelservice_cli.go_text import format_float, format_plain_float, quote
from modelservice_cli.offline.field_errors import (
    ErrorType,
    FieldError,
    Steps,
    invalid,
    not_supported,
    too_long,
    too_many,
)
from modelservice_cli.offline.structure import Schema, field_schema

Matches = Callable[[str, str], bool]
"""Returns True if a text matches a regular expression of RE2."""

_INTEGER_FORMATS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_MAX_WHOLE = 2**53 - 1
"""Greater floats are never integers (swag, IsFloat64AJSONInteger)."""
_NO_PATH = "<nil>"
_INT_OR_STRING = ("integer", "string")


def validate(value: Any, schema: Schema, matches: Matches) -> list[FieldError]:
    """Return the errors of an object, each sentence once."""
    found = _Validator(matches).validate(value, schema, "", ())
    return list({error.message: error for error in found}.values())


class _Validator:
    def __init__(self, matches: Matches) -> None:
        self._matches = matches

    def validate(self, value: Any, schema: Schema, path: str, steps: Steps) -> Iterator[FieldError]:
        types = _types(schema)
        yield from _type_errors(value, types, schema, path, steps)
        if value is None:
            yield from _enum_errors(value, schema, path, steps)
            return
        yield from self._any_of(value, schema, path, steps)
        if isinstance(value, str):
            yield from self._text_errors(value, schema, path, steps)
        if _is_number(value):
            yield from _number_errors(value, types, schema, path, steps)
        if isinstance(value, list):
            yield from self._list_errors(value, schema, path, steps)
        yield from _enum_errors(value, schema, path, steps)
        if isinstance(value, dict):
            yield from self._object_errors(value, schema, path, steps)

    def _any_of(self, value: Any, schema: Schema, path: str, steps: Steps) -> Iterator[FieldError]:
        alternatives = schema.get("anyOf", ())
        failures = [list(self.validate(value, one, path, steps)) for one in alternatives]
        if failures and all(failures):
            yield invalid(_NO_PATH, "", f'"{path}" must validate at least one schema (anyOf)', steps)
            yield from failures[0]

    def _text_errors(self, text: str, schema: Schema, path: str, steps: Steps) -> Iterator[FieldError]:
        """Yield the first of the errors, as the server."""
        maximum, minimum, pattern = schema.get("maxLength"), schema.get("minLength"), schema.get("pattern")
        if maximum is not None and len(text) > maximum:
            yield too_long(path, maximum, steps)
        elif minimum is not None and len(text) < minimum:
            yield invalid(path, text, f"{path} in body should be at least {minimum} chars long", steps)
        elif pattern is not None and not self._matches(pattern, text):
            yield invalid(path, text, f"{path} in body should match '{pattern}'", steps)

    def _list_errors(self, items: list[Any], schema: Schema, path: str, steps: Steps) -> Iterator[FieldError]:
        if (item_schema := schema.get("items")) is not None:
            for index, item in enumerate(items):
                yield from self.validate(item, item_schema, f"{path}[{index}]", (*steps, index))
        minimum, maximum = schema.get("minItems"), schema.get("maxItems")
        if minimum is not None and len(items) < minimum:
            yield invalid(path, len(items), f"{path} in body should have at least {minimum} items", steps)
        if maximum is not None and len(items) > maximum:
            yield too_many(path, len(items), maximum, steps)

    def _object_errors(self, value: dict[str, Any], schema: Schema, path: str, steps: Steps) -> Iterator[FieldError]:
        minimum, maximum = schema.get("minProperties"), schema.get("maxProperties")
        if minimum is not None and len(value) < minimum:
            yield invalid(path, len(value), f"{path} in body should have at least {minimum} properties", steps)
        if maximum is not None and len(value) > maximum:
            yield too_many(path, len(value), maximum, steps)
        for key, one in value.items():
            child = field_schema(schema, key)
            if child is not None:
                yield from self.validate(one, child, f"{path}.{key}" if path else key, (*steps, key))
        for key in schema.get("required", ()):
            if key not in value:
                name = f"{path}.{key}" if path else key
                yield FieldError(ErrorType.REQUIRED, name, "", "", (*steps, key))


def _types(schema: Schema) -> tuple[str, ...]:
    if schema.get("x-kubernetes-int-or-string"):
        return _INT_OR_STRING
    return (schema["type"],) if "type" in schema else ()


def _type_of(value: Any) -> tuple[str, str]:
    """Return the type and the format that the server infers from a value (schemaInfoForType)."""
    match value:
        case bool():
            return "boolean", ""
        case str():
            return "string", ""
        case int():
            return "integer", "int64"
        case float():
            return "number", "float64"
        case list():
            return "array", ""
        case _:
            return "object", ""


def _type_errors(value: Any, types: tuple[str, ...], schema: Schema, path: str, steps: Steps) -> Iterator[FieldError]:
    declared = schema.get("format", "")
    if not types and not declared:
        return
    if value is None:
        if types and not schema.get("nullable"):
            yield _type_error(path, ",".join(types), "null", steps)
        return
    found, found_format = _type_of(value)
    is_whole = found == "number" and "integer" in types and value.is_integer() and abs(value) <= _MAX_WHOLE
    is_number = found == "integer" and "number" in types
    is_lower = declared == "int64" and found_format == "int32"
    is_right = found in types or is_whole or is_number
    if not isinstance(value, str | list) and declared and not (is_right or found_format == declared or is_lower):
        yield _type_error(path, declared, found_format, steps)
    elif not {"number", "integer"} & set(types) and declared and isinstance(value, str | list):
        return
    elif not is_right:
        yield _type_error(path, ",".join(types), found, steps)


def _type_error(path: str, expected: str, found: str, steps: Steps) -> FieldError:
    detail = f"{path} in body must be of type {expected}: {quote(found)}"
    return FieldError(ErrorType.TYPE_INVALID, path, found, detail, steps)


def _enum_errors(value: Any, schema: Schema, path: str, steps: Steps) -> Iterator[FieldError]:
    values = schema.get("enum", ())
    if values and not any(type(value) is type(one) and value == one for one in values):
        yield not_supported(path, value, values, steps)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number_errors(
    number: float, types: tuple[str, ...], schema: Schema, path: str, steps: Steps
) -> Iterator[FieldError]:
    if types == ("integer",):
        yield from _range_errors(number, schema.get("format", ""), path, steps)
    minimum, maximum = schema.get("minimum"), schema.get("maximum")
    if minimum is not None and number < minimum:
        shown = _bound(minimum, number)
        yield invalid(path, number, f"{path} in body should be greater than or equal to {shown}", steps)
    if maximum is not None and number > maximum:
        shown = _bound(maximum, number)
        yield invalid(path, number, f"{path} in body should be less than or equal to {shown}", steps)


def _bound(bound: float, number: float) -> str:
    """Return a bound as the server shows it: as a number of the type of the value."""
    return str(int(bound)) if isinstance(number, int) else format_float(float(bound))


def _range_errors(number: float, declared: str, path: str, steps: Steps) -> Iterator[FieldError]:
    low, high = _INTEGER_FORMATS.get(declared, _INTEGER_FORMATS["int64"])
    text = str(number) if isinstance(number, int) else format_plain_float(number)
    if "." in text or not low <= int(text) <= high:
        known = f"with format {declared}" if declared in _INTEGER_FORMATS else "(default format)"
        yield invalid(_NO_PATH, "", f"Checked value must be of type integer {known} in {path}", steps)
