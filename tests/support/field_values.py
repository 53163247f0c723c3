"""Values for every field of the CRD: empty, zero, and odd ones. The API server decides which of them are valid."""

from collections.abc import Callable, Iterator
from typing import Any

from tests.support.schema_fields import REFUSED_FIELD, SchemaField, fields

_LOWER_BOUNDS = {"array": "minItems", "object": "minProperties", "string": "minLength", "integer": "minimum"}
_QUANTITIES = (
    *(1, "1e3", "5E-1", "0.5Gi", "1.50", "1000000n", "500u", "1000m", "1024Ki", ".5", "5.", "007", "0.0001"),
    *("1e3m", "1e-3", "9223372036854775807", "16Ei"),
)
_PERCENTAGES = (1, "0%", "00%", "025%", "25%", "100%")
_PORTS = (1, 65535, "http", "admin", "main", "8080")
_TEXTS = (
    *(" padded ", "a\nb: {c}\n", "true", "null", "1.0", "0x1F", "1e3", "MixedCase", "$(HOME) $$(HOME)", "m\u00fcller"),
    *("a-b.example.com", "a.b/c_D", "A.b/c_D", "/", "/a/./b//", "/a b/", "a/../b"),
)
_TEXTS_BY_NAME: dict[str, tuple[str, ...]] = {
    "interval": ("0s", "90s", "1m30s", "1h", "500ms", "1.5h", "1d"),
    "request": ("0s", "90s", "1m30s", "1h", "500ms", "1.5h"),
    "cidr": ("0.0.0.0/0", "192.0.2.1/24", "::/0", "2001:DB8::/32", "2001:db8:0:0::/64", "010.0.0.0/8"),
    "loadBalancerSourceRanges": ("0.0.0.0/0", "192.0.2.1/24", "::/0", "2001:DB8::/32", " 192.0.2.0/24"),
    "ip": ("127.0.0.1", "::1", "2001:DB8::1", "2001:db8:0:0::1", "::ffff:192.0.2.1", "010.0.0.1"),
    "nameservers": ("127.0.0.1", "::1", "2001:DB8::1", "2001:db8:0:0::1", "010.0.0.1"),
    "medium": ("", "Memory", "HugePages", "HugePages-2Mi", "memory"),
    "uri": ("file:///opt/model", "s3://Models/Iris/", "hf://Org/Model@main", "models:/iris/1", "HTTPS://example.com/a"),
    "image": ("a", "A.example.com:5000/a/b:V1", f"a@sha256:{'0' * 64}", f"a:1@sha256:{'0' * 64}"),
    "appProtocol": ("http", "HTTP", "kubernetes.io/h2c", "kubernetes.io/ws", "example.com/My_Protocol"),
    "kind": ("ingress", "Gateway"),
    "apiVersion": ("v1", "apps/v1", ""),
    "fieldPath": ("metadata.labels['app']", "metadata.annotations['a.example.com/B']", "status.podIPs"),
    "host": ("*.example.com", "EXAMPLE.com", "iris.example.com"),
    "hosts": ("*.example.com", "EXAMPLE.com", "iris.example.com"),
    "hostnames": ("*.example.com", "EXAMPLE.com", "iris.example.com"),
    "schedulerName": ("default-scheduler",),
}
"""Texts for fields with a special form, by the name of the field."""

_INTEGERS_BY_NAME: dict[str, tuple[int, ...]] = {
    "service.nodePort": (30000, 30080),
    "ports[].nodePort": (30001, 30085),
    "replicas": (1, 2),
    "autoscaling.minReplicas": (1, 2),
}
"""In place of bounds that cost too much or depend on the cluster: many pods, and node ports outside of the lower part
of the range, which no Service gets without asking."""

Case = tuple[SchemaField, Any]
"""A field, and a value of it."""


def empty_cases() -> Iterator[Case]:
    """Yield each field of the spec at every depth with its empty or zero value, and a quantity that is rounded."""
    for field in _fields():
        if not field.schema.get(_LOWER_BOUNDS.get(field.schema.get("type", ""), ""), 0) > 0:
            yield from ((field, value) for value in _empty_values(field))


def odd_cases() -> Iterator[Case]:
    """Yield each field of the spec at every depth with spellings that are rare, its bounds, and all its choices."""
    for field in _fields():
        yield from ((field, value) for value in _odd_values(field))


def quantity_cases() -> Iterator[Case]:
    """Yield the odd cases of quantities, percentages and ports, which the API server spells in one way."""
    return (case for case in odd_cases() if "x-kubernetes-int-or-string" in case[0].schema)


def name_of(case: Case) -> str:
    """Return the text for a case in messages."""
    field, value = case
    return f"{field.name}={value!r}"


def _fields() -> Iterator[SchemaField]:
    return (field for field in fields() if not field.name.startswith(REFUSED_FIELD))


def _empty_values(field: SchemaField) -> list[Any]:
    if "x-kubernetes-int-or-string" in field.schema:
        return [0, "0", "1e-10"]
    match field.schema.get("type"):
        case "array":
            return [[]]
        case "integer":
            return [0]
        case "boolean":
            return [False]
        case "string":
            return [""]
    return [{}, *_empty_entries(field)]


def _empty_entries(field: SchemaField) -> list[Any]:
    """Return a map with an empty value, if the field is a map of strings."""
    values = field.schema.get("additionalProperties") or {}
    return [dict.fromkeys(field.example, "")] if values.get("type") == "string" else []


def _odd_values(field: SchemaField) -> list[Any]:
    schema = field.schema
    if "enum" in schema:
        return list(schema["enum"])
    if "x-kubernetes-int-or-string" in schema:
        return list(_int_or_strings(schema))
    makers: dict[str, Callable[[SchemaField], list[Any]]] = {
        "array": _odd_lists,
        "integer": _odd_integers,
        "boolean": lambda _: [True],
        "string": _texts,
    }
    make = makers.get(schema.get("type", ""))
    return make(field) if make else list(schema.get("examples", ()))


def _odd_integers(field: SchemaField) -> list[Any]:
    low, high = field.schema["minimum"], field.schema["maximum"]
    return list(_INTEGERS_BY_NAME.get(field.name, sorted({low, low + 1, high, *field.schema.get("examples", ())})))


def _int_or_strings(schema: dict[str, Any]) -> tuple[Any, ...]:
    pattern = schema.get("pattern", "")
    if "%" in pattern:
        return _PERCENTAGES
    return _PORTS if schema.get("maximum") == _PORTS[1] else _QUANTITIES


def _texts(field: SchemaField) -> list[Any]:
    """Return texts for a field, an item of a list or a value of a map, whose names are those of the list or map."""
    name = next(step for step in reversed(field.path) if step.isalpha())
    own = _TEXTS_BY_NAME.get(name, _TEXTS)
    texts = [*field.schema.get("examples", ()), *own]
    return [text for text in texts if len(text) <= field.schema["maxLength"]]


def _odd_lists(field: SchemaField) -> list[Any]:
    """Return the example of a list, with each item twice, and with a second item that has other keys."""
    if "examples" not in field.schema:
        return []
    items = field.example
    return [items, [*items, *items], [*items, *(_with_other_keys(item, field) for item in items)]]


def _with_other_keys(item: Any, field: SchemaField) -> Any:
    if isinstance(item, str):
        return f"{item}2"
    keys = field.schema.get("x-kubernetes-list-map-keys", ("name", "path", "mountPath", "containerPort"))
    return item | {key: _other(item[key]) for key in (*keys, "mountPath", "containerPort") if key in item}


def _other(value: Any) -> Any:
    return value + 1 if isinstance(value, int) else f"{value}2"
