"""Every place of a built object, with what the API server's own OpenAPI says of it: kinds of lists, values, fields.

Nothing here knows the operator's view of lists and maps, so that the two can be compared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

from modelservice_operator.apimachinery.kinds import ResourceKind

KeyStep = tuple[tuple[str, Any], ...]
"""Step to the item of a list whose fields have these values."""
Step = str | int | KeyStep
Route = tuple[Step, ...]


class MissingError(Exception):
    """There is nothing at a path."""


@dataclass(frozen=True)
class Schema:
    """A node of an OpenAPI document (version 3)."""

    node: Mapping[str, Any]
    components: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, document: Mapping[str, Any], kind: ResourceKind) -> Self:
        wanted = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        components = document["components"]["schemas"]
        node = next(one for one in components.values() if wanted in one.get("x-kubernetes-group-version-kind", ()))
        return cls(node, components)

    @property
    def fields(self) -> Mapping[str, Any]:
        """Named fields of a struct; none for a map with free keys."""
        return cast("Mapping[str, Any]", self.node.get("properties", {}))

    @property
    def keys(self) -> tuple[str, ...]:
        """Fields that tell the items of a list of type map apart."""
        return tuple(self.node.get("x-kubernetes-list-map-keys", ()))

    @property
    def atomic(self) -> bool:
        """Whether the node has one owner for all of it (structured merge diff; a list is atomic unless it says so)."""
        if self.node.get("type") == "array":
            return str(self.node.get("x-kubernetes-list-type", "atomic")) == "atomic"
        return str(self.node.get("x-kubernetes-map-type")) == "atomic"

    @property
    def choices(self) -> list[str]:
        return list(self.node.get("enum", ()))

    @property
    def type(self) -> str:
        return str(self.node.get("type", ""))

    def below(self, step: Step) -> Self:
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

    path: Route
    want: Any
    schema: Schema = field(repr=False)
    root: Route | None = None
    """The outermost atomic node that holds this one (or is it); None where fields have owners of their own."""

    def __str__(self) -> str:
        return "".join(_spoken(step) for step in self.path)

    @property
    def is_leaf(self) -> bool:
        return not isinstance(self.want, dict | list) or not self.want

    def steps(self) -> Iterator[tuple[Step, Any]]:
        """Yield the steps to what is below, with the values there."""
        if isinstance(self.want, dict):
            yield from self.want.items()
        elif isinstance(self.want, list):
            keys = self.schema.keys
            for index, item in enumerate(self.want):
                yield (tuple((key, item[key]) for key in keys) if keys else index), item


def nodes_of(body: Any, schema: Schema) -> list[SchemaNode]:
    """Every node below the root of an object."""
    return list(nodes_below(SchemaNode((), body, schema)))


def nodes_below(place: SchemaNode) -> Iterator[SchemaNode]:
    """Every node below another one."""
    for step, value in place.steps():
        path, schema = (*place.path, step), place.schema.below(step)
        atomic = schema.atomic and isinstance(value, dict | list)
        child = SchemaNode(path, value, schema, root=place.root or (path if atomic else None))
        yield child
        yield from nodes_below(child)


def pointer(body: Any, path: Route) -> tuple[str, Any]:
    """Return the JSON pointer (RFC 6901) of a path in a live object, and what is there; MissingError for nothing."""
    steps, node = [], body
    for step in path:
        found = _index(node, step)
        steps.append(str(found).replace("~", "~0").replace("/", "~1"))
        try:
            node = node[found]
        except (KeyError, IndexError, TypeError):
            raise MissingError from None
    return "".join(f"/{step}" for step in steps), node


def value_at(body: Any, path: Route) -> Any:
    """Return what is at a path, or the class MissingError for nothing."""
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


def _spoken(step: Step) -> str:
    if isinstance(step, tuple):
        return f"[{','.join(str(value) for _, value in step)}]"
    return f"[{step}]" if isinstance(step, int) else f".{step}"
