"""Base of the generated types: fields in snake case in Python, under the names of the API in manifests."""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, Self, Union, get_args, get_origin, get_type_hints


class Fields:
    """An object in the spec or the status. A field that is None is left out of the manifest.

    Fields of a newer API, which this version does not know, are kept as they are.
    """

    API_NAMES: ClassVar[Mapping[str, str]] = {}
    """Names in the API of fields that are not simply in camel case."""
    _unknown: Mapping[str, Any]

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Self:
        """Return the object for a part of a manifest. Nothing is validated: the API server does that."""
        converted = cls.__new__(cls)
        kind: Any = cls  # as a key of a cache: dataclasses cannot be hashed, their classes can
        names = _api_names(kind)
        for name, hint in _types(kind).items():
            setattr(converted, name, _read(hint, body.get(names[name])))
        converted._unknown = {key: value for key, value in body.items() if key not in names.values()}  # noqa: SLF001
        return converted

    def to_dict(self) -> dict[str, Any]:
        """Return the part of a manifest."""
        kind: Any = type(self)
        names = _api_names(kind)
        values = {names[name]: _written(getattr(self, name)) for name in names}
        return {key: value for key, value in values.items() if value is not None} | dict(getattr(self, "_unknown", {}))


@cache
def _api_names(kind: Any) -> Mapping[str, str]:
    """Return the API's name of each field."""
    return {name: kind.API_NAMES.get(name) or _camel_case(name) for name in _types(kind)}


@cache
def _types(kind: Any) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {one.name: hints[one.name] for one in fields(kind)}


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _read(hint: Any, value: Any) -> Any:
    """Return a value of a manifest as its type says; a value of another type unchanged."""
    if get_origin(hint) in {Union, UnionType}:
        hint = next(one for one in get_args(hint) if one is not NoneType)
    if get_origin(hint) is list and isinstance(value, list):
        return [_read(get_args(hint)[0], one) for one in value]
    if isinstance(hint, type) and issubclass(hint, Fields) and isinstance(value, Mapping):
        return hint.from_dict(value)
    return value


def _written(value: Any) -> Any:
    if isinstance(value, Fields):
        return value.to_dict()
    if isinstance(value, list | tuple):
        return [_written(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _written(one) for key, one in value.items()}
    return value
