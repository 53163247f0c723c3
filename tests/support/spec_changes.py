"""Changes of ModelServices: each group has specs that differ in one field, or in anything, for all pairs of them."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from tests.support.builders import golden, golden_files
from tests.support.schema_fields import ITEM, REFUSED_FIELD, VALUE, SchemaField, fields, with_field

_FAMILIES: tuple[tuple[str | None, tuple[str, ...]], ...] = (
    ("SingleStack", ()),
    ("SingleStack", ("IPv4",)),
    ("SingleStack", ("IPv6",)),
    ("PreferDualStack", ()),
    ("PreferDualStack", ("IPv4",)),
    (None, ("IPv4",)),
    (None, ("IPv6",)),
    ("RequireDualStack", ("IPv4", "IPv6")),
    ("RequireDualStack", ("IPv6", "IPv4")),
)
_BALANCED = ("LoadBalancer",)
_EXPOSED = ("NodePort", *_BALANCED)
_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("ClusterIP", "Headless", *_EXPOSED), {}),
    (("ClusterIP", "Headless", *_EXPOSED), {"sessionAffinity": "ClientIP", "publishNotReadyAddresses": True}),
    (_EXPOSED, {"nodePort": 30180}),
    (_EXPOSED, {"nodePort": 30181, "externalTrafficPolicy": "Local"}),
    (_EXPOSED, {"externalTrafficPolicy": "Local", "internalTrafficPolicy": "Local"}),
    (_BALANCED, {"loadBalancerClass": "example.com/a"}),
    (
        _BALANCED,
        {"loadBalancerClass": "example.com/b", "nodePort": 30180, "loadBalancerSourceRanges": ["192.0.2.0/24"]},
    ),
)
_EMPTY: dict[str, Any] = {"object": {}, "array": []}


@dataclass(frozen=True)
class SpecGroup:
    """Specs of which each is a change of each other one; with `center`, only of the first one."""

    name: str
    specs: Sequence[dict[str, Any]]
    center: bool = False
    is_whole: bool = False
    """Every change counts, also one of leaves that were changed before."""

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield the indices of a spec and of the one that follows it."""
        count = len(self.specs)
        for old, new in product(range(count), repeat=2):
            if old != new and (not self.center or 0 in {old, new}):
                yield old, new


def spec_groups() -> Iterator[SpecGroup]:
    """Yield all groups: each field of the schema, each part of the golden ModelServices, and the types of Service."""
    for field in fields():
        if field.is_property and not field.name.startswith(REFUSED_FIELD):
            yield SpecGroup(field.name, _specs_of(field))
    goldens = {path.stem: golden(path.stem).spec for path in golden_files()}
    for name, spec in goldens.items():
        less = [{other: value for other, value in spec.items() if other != part} for part in spec if part != "image"]
        yield SpecGroup(f"parts of {name}", [spec, *less], center=True)
    yield SpecGroup("any to any", list(goldens.values()), is_whole=True)
    services = [{"image": "a", "service": options} for options in _service_options()]
    yield SpecGroup("service", services, is_whole=True)


def _service_options() -> Iterator[dict[str, Any]]:
    """Yield the settings of Services: each type with its options, and with the IP families of two stacks."""
    for types, options in _OPTIONS:
        yield from ({"type": kind} | options for kind in types)
    for kind, (policy, families) in product(("ClusterIP", "Headless", "LoadBalancer"), _FAMILIES):
        found = {"ipFamilyPolicy": policy, "ipFamilies": list(families)}
        yield {"type": kind} | {name: value for name, value in found.items() if value}


def _specs_of(field: SchemaField) -> list[dict[str, Any]]:
    """Return the smallest specs without the field, and with each of its values."""
    values = _values_of(field)
    specs = [with_field(field.path, value).spec for value in values]
    return [_without(specs[0], field.path), *specs]


def _values_of(field: SchemaField) -> list[Any]:
    """Return the example, and other values of the same type; the API server decides which are valid."""
    example, schema = field.example, field.schema
    if "enum" in schema:
        return list(schema["enum"])
    if isinstance(example, bool):
        return [example, not example]
    if isinstance(example, int):
        return [example, example + 1]
    if isinstance(example, str):
        return [example, f"{example}x", f"1{example}"]
    return [example, _EMPTY[schema["type"]]]


def _without(spec: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Return a copy of `spec` without what is at `path`."""
    changed = copy.deepcopy(spec)
    node: Any = changed
    for step in path[:-1]:
        node = node[_key(node, step)]
    del node[_key(node, path[-1])]
    return changed


def _key(node: Any, step: str) -> Any:
    if step == ITEM:
        return 0
    return next(iter(node)) if step == VALUE else step
