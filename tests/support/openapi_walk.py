"""Every node of a built object, with its schema in the API server's OpenAPI document: list types, enums, fields.

It does not use the operator's own tables of list and map types, so that the two can be compared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

from modelservice_operator.apimachinery.kinds import ResourceKind

KeyStep = tuple[tuple[str, Any], ...]
"""Step to the item of a list whose fields have these values."""
Step = str | int | KeyStep
NodePath = tuple[Step, ...]


class MissingError(Exception):
    """An object has no value at a path."""


@dataclass(frozen=True)
class Schema:
    """A node of an OpenAPI document (version 3)."""

    node: Mapping[str, Any]
    components: Mapping[str, Any] = field(repr=False)

    @classmethod
    def for_kind(cls, document: Mapping[str, Any], kind: ResourceKind) -> Self:
        wanted = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        components = document["components"]["schemas"]
        node = next(one for one in components.values() if wanted in one.get("x-kubernetes-group-version-kind", ()))
        return cls(node, components)

    @property
    def fields(self) -> Mapping[str, Any]:
        """Named fields of a struct; empty for a map with arbitrary keys."""
        return cast("Mapping[str, Any]", self.node.get("properties", {}))

    @property
    def list_map_keys(self) -> tuple[str, ...]:
        """Fields that identify the items of a list of type map."""
        return tuple(self.node.get("x-kubernetes-list-map-keys", ()))

    @property
    def is_atomic(self) -> bool:
        """True if the node has one owner as a whole (structured merge diff; a list is atomic by default)."""
        if self.node.get("type") == "array":
            return str(self.node.get("x-kubernetes-list-type", "atomic")) == "atomic"
        return str(self.node.get("x-kubernetes-map-type")) == "atomic"

    @property
    def enum(self) -> list[str]:
        return list(self.node.get("enum", ()))

    @property
    def type(self) -> str:
        return str(self.node.get("type", ""))

    def child(self, step: Step) -> Self:
        """Return the schema of a field, a map's values or a list's items."""
        if self.node.get("type") == "array":
            return self._resolved(self.node["items"])
        return self._resolved(self.fields[str(step)] if self.fields else self.node["additionalProperties"])

    def _resolved(self, node: Mapping[str, Any]) -> Self:
        parts = [node, *node.get("allOf", ())]
        merged: dict[str, Any] = {}
        for part in parts:
            if "$ref" in part:
                merged |= self.components[part["$ref"].rpartition("/")[2]]
        return replace(self, node=merged | {name: value for name, value in node.items() if name != "allOf"})


@dataclass(frozen=True)
class SchemaNode:
    """A node of a built object: a value, a map or a list."""

    path: NodePath
    desired: Any
    schema: Schema = field(repr=False)
    atomic_root: NodePath | None = None
    """Path of the outermost atomic node that contains or is this one; None where each field has its own owner."""

    def __str__(self) -> str:
        return "".join(_format_step(step) for step in self.path)

    @property
    def is_leaf(self) -> bool:
        return not isinstance(self.desired, dict | list) or not self.desired

    def children(self) -> Iterator[tuple[Step, Any]]:
        """Yield the step to each child node and its value."""
        if isinstance(self.desired, dict):
            yield from self.desired.items()
        elif isinstance(self.desired, list):
            keys = self.schema.list_map_keys
            for index, item in enumerate(self.desired):
                yield (tuple((key, item[key]) for key in keys) if keys else index), item


def nodes_of(body: Any, schema: Schema) -> list[SchemaNode]:
    """Return every node below the root of an object."""
    return list(descendants_of(SchemaNode((), body, schema)))


def descendants_of(parent: SchemaNode) -> Iterator[SchemaNode]:
    """Yield every node below another one."""
    for step, value in parent.children():
        path, schema = (*parent.path, step), parent.schema.child(step)
        atomic = schema.is_atomic and isinstance(value, dict | list)
        child = SchemaNode(path, value, schema, atomic_root=parent.atomic_root or (path if atomic else None))
        yield child
        yield from descendants_of(child)


def pointer(body: Any, path: NodePath) -> tuple[str, Any]:
    """Return the JSON pointer (RFC 6901) of a path in a live object, and the value there. Raises MissingError."""
    steps, node = [], body
    for step in path:
        found = _index(node, step)
        steps.append(str(found).replace("~", "~0").replace("/", "~1"))
        try:
            node = node[found]
        except (KeyError, IndexError, TypeError):
            raise MissingError from None
    return "".join(f"/{step}" for step in steps), node


def value_at(body: Any, path: NodePath) -> Any:
    """Return the value at a path, or the class MissingError if there is none."""
    try:
        return pointer(body, path)[1]
    except MissingError:
        return MissingError


def _index(node: Any, step: Step) -> str | int:
    if not isinstance(step, tuple):
        return step
    for index, item in enumerate(node if isinstance(node, list) else ()):
        if all(item.get(key) == value for key, value in step):
            return index
    raise MissingError


def _format_step(step: Step) -> str:
    if isinstance(step, tuple):
        return f"[{','.join(str(value) for _, value in step)}]"
    return f"[{step}]" if isinstance(step, int) else f".{step}"
