"""Compares a desired object with the live one, field by field. Sends no request; runs at every reconcile."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelservice_operator.apimachinery.objects import Json
from modelservice_operator.apimachinery.quantity import Quantity

LIST_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "ports": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "resourceClaims": ("name",),
    "claims": ("name",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
"""Lists to which other clients may add items, with the keys of their items. Other lists are compared as a whole."""

ATOMIC_MAPS = frozenset(
    {
        *("selector", "podSelector", "namespaceSelector", "labelSelector", "nodeSelector"),
        *("secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef", "scaleTargetRef"),
    }
)
"""Maps with one owner as a whole (x-kubernetes-map-type: atomic): a key that another client adds is drift."""

COMPLETED_LISTS = frozenset({"ipFamilies"})
"""Lists that the API server completes: additional items at the end do not count."""

_PRESERVED_FIELDS = ("nodePort",)
"""Fields assigned by the API server, preserved when a node is replaced, unless the desired state sets them."""

NodeReplacement = tuple[str, Any]
"""JSON pointer (RFC 6901) of a node, and the value to replace it with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A field of a child that another client changed, and that was reverted."""

    kind: str
    field: str
    """Path of the field, such as `spec.template.spec.containers[model].image`."""
    manager: str | None
    """Field manager that changed it (KEP-555); None if unknown, as for a removed field."""


def first_difference(
    desired: Json,
    live: Json,
    name: str = "",
    *,
    atomic: bool,
    reject_additions: bool = False,
) -> str | None:
    """Return the path of the first node where `live` lacks or contradicts `desired`; None if there is none.

    Additional fields of `live` belong to other clients. `name` is the field that holds the node. With `atomic`,
    additions below atomic maps and lists count as differences; `reject_additions` means that this node is below one.

    Runs at every reconcile, so equal nodes are not descended into, and a path is built only for a difference.
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
        if value == live.get(key):
            continue  # most are: a call for each would take twice the time
        whole = atomic and (reject_additions or key in ATOMIC_MAPS)
        if (below := first_difference(value, live.get(key), key, atomic=atomic, reject_additions=whole)) is not None:
            return f".{key}{below}"
    if reject_additions and len(live) > len(desired):
        return f".{next(key for key in live if key not in desired)}"
    return None


def _list_difference(desired: list[Any], live: list[Any], name: str, *, atomic: bool) -> str | None:
    keys = _list_keys(desired, name)
    if name in COMPLETED_LISTS:
        live = live[: len(desired)]
    if not keys:
        if len(desired) != len(live):
            return ""
        pairs = ((f"[{index}]", *pair) for index, pair in enumerate(zip(desired, live, strict=True)))
    else:
        by_key = {_item_key(item, keys): item for item in live}
        pairs = ((_item_label(item, keys), item, by_key.get(_item_key(item, keys))) for item in desired)
    for step, wanted, found in pairs:
        if (below := first_difference(wanted, found, atomic=atomic, reject_additions=atomic and not keys)) is not None:
            return f"{step}{below}"
    return None


def conflicting_nodes(
    desired: Json,
    live: Json,
    names: frozenset[str],
    pointer: str = "",
    name: str = "",
) -> Iterator[NodeReplacement]:
    """Yield replacements for nodes of these names, and for items of lists of these names, that differ."""
    for step, field, wanted, found in _common_children(desired, live, name):
        below = f"{pointer}/{step}"  # API field names and indices: nothing to escape
        if field not in names or isinstance(wanted, list):
            yield from conflicting_nodes(wanted, found, names, below, field)
        elif first_difference(wanted, found, atomic=False) is not None:
            yield below, {kept: found[kept] for kept in _PRESERVED_FIELDS if kept in found} | wanted


def _common_children(desired: Json, live: Json, name: str) -> Iterator[tuple[str | int, str, Json, Json]]:
    """Yield (step, field, desired, live) of all children that both nodes have."""
    if isinstance(desired, dict) and isinstance(live, dict):
        yield from ((key, key, value, live[key]) for key, value in desired.items() if key in live)
    elif isinstance(desired, list) and isinstance(live, list) and (keys := _list_keys(desired, name)):
        places = {_item_key(item, keys): index for index, item in enumerate(live)}
        known = ((places[_item_key(item, keys)], item) for item in desired if _item_key(item, keys) in places)
        yield from ((index, name, item, live[index]) for index, item in known)


def _list_keys(desired: list[Any], name: str) -> tuple[str, ...]:
    """Return the keys of the items of a list; none for a list that is compared as a whole."""
    keys = LIST_KEYS.get(name, ())
    # Lists of one name can be of different types: the ports of a NetworkPolicy have no names.
    return keys if all(isinstance(item, dict) and item.keys() >= set(keys) for item in desired) else ()


def _item_key(item: dict[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key) for key in keys)


def _item_label(item: dict[str, Any], keys: tuple[str, ...]) -> str:
    return f"[{','.join(str(item[key]) for key in keys)}]"
