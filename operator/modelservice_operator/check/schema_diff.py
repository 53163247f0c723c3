"""Compares two schemas of ModelService: which fields exist, and whether anything but a description differs. Pure."""

from collections.abc import Iterator

from modelservice_operator.apimachinery.objects import Json

_IGNORED = frozenset({"description", "x-kubernetes-group-version-kind"})


def field_paths(schema: Json, prefix: str = "") -> Iterator[str]:
    """Yield the paths of all fields, such as `spec.sidecars[].name`, without those of `metadata`."""
    for name, child in (schema.get("properties") or {}).items():
        path = f"{prefix}.{name}" if prefix else name
        if path == "metadata":
            continue
        yield path
        yield from field_paths(child, path)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        child = schema.get(key)
        if isinstance(child, dict):
            yield from field_paths(child, f"{prefix}{mark}")


def missing_fields(schema: Json, wanted: Json) -> list[str]:
    """Return the fields of `wanted` that `schema` lacks, without those inside of another missing one."""
    found = set(field_paths(schema))
    missing = [path for path in field_paths(wanted) if path not in found]
    return [path for path in missing if not any(path.startswith((f"{it}.", f"{it}[", f"{it}{{")) for it in missing)]


def is_same_schema(one: Json, other: Json) -> bool:
    """Return True if two schemas accept the same objects: texts, and values that the API server omits, do not count."""
    return bool(_canonical(one) == _canonical(other))


def _canonical(node: Json) -> Json:
    if isinstance(node, dict):
        found = {name: _canonical(child) for name, child in node.items() if name not in _IGNORED or _is_field(child)}
        return {name: child for name, child in found.items() if child is not None and child not in ([], "")}
    return [_canonical(child) for child in node] if isinstance(node, list) else node


def _is_field(child: Json) -> bool:
    """Return True for the schema of a field that is named `description`."""
    return isinstance(child, dict)
