"""Structural comparison of a desired object with the live one. Costs no request, and runs on every event."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelservice_operator.apimachinery.quantity import Quantity

LIST_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "ports": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
"""Lists that others may add to, and the fields that tell their items apart. Every other list is compared whole."""

ATOMIC_MAPS = frozenset(
    {
        *("selector", "podSelector", "namespaceSelector", "labelSelector", "nodeSelector"),
        *("secretKeyRef", "configMapKeyRef", "fieldRef", "scaleTargetRef"),
    }
)
"""Maps that have one owner as a whole (x-kubernetes-map-type: atomic): what somebody adds to ours changes ours."""

_PRESERVED_FIELDS = ("nodePort",)
"""What the API server gave to a node of ours stays when the node is replaced."""

NodeReplacement = tuple[str, Any]
"""JSON pointer (RFC 6901) of a node, and what it has to be replaced by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A field of a child that somebody changed, and that was set back."""

    kind: str
    field: str
    """Its path, as `spec.template.spec.containers[model].image`."""
    manager: str | None
    """Field manager that changed it (KEP-555); None when it left no trace, as one does that removes a field."""


def first_difference(
    desired: Any,  # noqa: ANN401 - JSON
    live: Any,  # noqa: ANN401
    name: str = "",
    *,
    atomic: bool,
    reject_additions: bool = False,
) -> str | None:
    """Path below this node at which `have` lacks or contradicts `want`; what `have` has besides is somebody else's.

    It runs on every event of every object: so no path is put together while nothing differs, and what is equal is not
    looked into. `name` is the field that holds the node; `strict`: below an atomic node additions count, and `exact`
    says that this node is one.
    """
    if isinstance(desired, Quantity):
        return None if desired.equals(live) else ""
    if desired == live:
        return None
    if isinstance(desired, dict) and isinstance(live, dict):
        return _map_difference(desired, live, atomic=atomic, reject_additions=reject_additions)
    if isinstance(desired, list) and isinstance(live, list):
        return _list_difference(desired, live, name, atomic=atomic)
    return ""


def _map_difference(
    desired: dict[str, Any], live: dict[str, Any], *, atomic: bool, reject_additions: bool
) -> str | None:
    for key, value in desired.items():
        whole = atomic and (reject_additions or key in ATOMIC_MAPS)
        if (below := first_difference(value, live.get(key), key, atomic=atomic, reject_additions=whole)) is not None:
            return f".{key}{below}"
    if reject_additions and len(live) > len(desired):
        return f".{next(key for key in live if key not in desired)}"
    return None


def _list_difference(desired: list[Any], live: list[Any], name: str, *, atomic: bool) -> str | None:
    keys = _keys(desired, name)
    if not keys:
        if len(desired) != len(live):
            return ""
        pairs = ((f"[{index}]", *pair) for index, pair in enumerate(zip(desired, live, strict=True)))
    else:
        by_key = {_identity(item, keys): item for item in live}
        pairs = ((_item_label(item, keys), item, by_key.get(_identity(item, keys))) for item in desired)
    for step, wanted, found in pairs:
        if (below := first_difference(wanted, found, atomic=atomic, reject_additions=atomic and not keys)) is not None:
            return f"{step}{below}"
    return None


def conflicting_nodes(
    desired: Any,  # noqa: ANN401 - JSON
    live: Any,  # noqa: ANN401
    names: frozenset[str],
    pointer: str = "",
    name: str = "",
) -> Iterator[NodeReplacement]:
    """Nodes of these names, or items of lists of these names, that differ."""
    for step, field, wanted, found in _common_children(desired, live, name):
        below = f"{pointer}/{step}"  # API field names and indices: nothing to escape
        if field not in names or isinstance(wanted, list):
            yield from conflicting_nodes(wanted, found, names, below, field)
        elif first_difference(wanted, found, atomic=False) is not None:
            yield below, wanted | {kept: found[kept] for kept in _PRESERVED_FIELDS if kept in found}


def _common_children(desired: Any, live: Any, name: str) -> Iterator[tuple[str | int, str, Any, Any]]:  # noqa: ANN401 - JSON
    """(step, field, wanted, found) of everything below a node that both have."""
    if isinstance(desired, dict) and isinstance(live, dict):
        yield from ((key, key, value, live[key]) for key, value in desired.items() if key in live)
    elif isinstance(desired, list) and isinstance(live, list) and (keys := _keys(desired, name)):
        places = {_identity(item, keys): index for index, item in enumerate(live)}
        known = ((places[_identity(item, keys)], item) for item in desired if _identity(item, keys) in places)
        yield from ((index, name, item, live[index]) for index, item in known)


def _keys(desired: list[Any], name: str) -> tuple[str, ...]:
    """Fields that tell the items of a list apart; none for a list that is compared whole."""
    keys = LIST_KEYS.get(name, ())
    # A list of the same name may be another one: the ports of a NetworkPolicy have no names.
    return keys if all(isinstance(item, dict) and item.keys() >= set(keys) for item in desired) else ()


def _identity(item: dict[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key) for key in keys)


def _item_label(item: dict[str, Any], keys: tuple[str, ...]) -> str:
    return f"[{','.join(str(item[key]) for key in keys)}]"
