"""A child as it should be, and how it differs from the one that is there."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

from modelservice_operator.apimachinery.kinds import (
    DEPLOYMENT,
    OPTIONAL_CHILD_KINDS,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    ResourceKind,
)
from modelservice_operator.apimachinery.quantity import Quantity
from modelservice_operator.resources.metadata import CLUSTER_IP_NONE, HASH_ANNOTATION, SUSPENDED_ANNOTATION

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

EXCLUSIVE_FIELDS: Mapping[ResourceKind, frozenset[str]] = {
    DEPLOYMENT: frozenset({"volumes", "env", "ports", "startupProbe", "readinessProbe", "livenessProbe"}),
    SERVICE: frozenset({"ports"}),
    POD_DISRUPTION_BUDGET: frozenset({"spec"}),
}
"""Nodes, or lists of nodes, that are not valid with what somebody put there beside ours: two volume sources in one
volume, two ports of one name. An apply only adds, so it is refused."""

_PRESERVED_FIELDS = ("nodePort",)
"""What the API server gave to a node of ours stays when the node is replaced."""

NodeReplacement = tuple[str, Any]
"""JSON pointer (RFC 6901) of a node, and what it has to be replaced by."""


@dataclass(frozen=True, slots=True)
class DesiredChild:
    """One child: the configuration that is applied, and the count that only its creation carries."""

    kind: ResourceKind
    body: dict[str, Any]
    replicas: int | None = None
    """Replicas that the object is created with; never part of what is applied later."""
    fixed_replicas: bool = False
    """Whether `replicas` is also to be kept afterwards (nobody else scales the object)."""

    @property
    def digest(self) -> str:
        """Hash of the desired state."""
        return str(self.body["metadata"]["annotations"][HASH_ANNOTATION])

    def replicas_to_set(self, live: Mapping[str, Any]) -> int | None:
        """Count to scale `live` to; None when its count is right or not ours.

        Under an autoscaler the count is ours once: a Deployment that we put to sleep must be woken by us, since no
        autoscaler acts on a count of 0.
        """
        count = live.get("spec", {}).get("replicas")
        if self.replicas is None or count == self.replicas:
            return None
        if self.fixed_replicas:
            return self.replicas
        asleep = count == 0 and SUSPENDED_ANNOTATION in (live["metadata"].get("annotations") or {})
        return max(1, self.replicas) if asleep else None

    def requires_recreate(self, live: Mapping[str, Any]) -> bool:
        """Whether `live` differs in a field that cannot be changed: a Service becomes headless, or stops being so."""
        if self.kind is not SERVICE:
            return False
        headless, is_headless = (spec.get("clusterIP") == CLUSTER_IP_NONE for spec in (self.body["spec"], live["spec"]))
        return bool(headless != is_headless)

    @classmethod
    def of(
        cls, kind: ResourceKind, body: dict[str, Any], *, replicas: int | None = None, fixed_replicas: bool = False
    ) -> Self:
        """`body` with its own hash as an annotation, by which a field that left the desired state is noticed."""
        digest = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
        body["metadata"]["annotations"][HASH_ANNOTATION] = digest
        return cls(kind, body, replicas, fixed_replicas)

    def create_body(self) -> dict[str, Any]:
        """What is POSTed."""
        if self.replicas is None:
            return dict(self.body)
        return {**self.body, "spec": {**self.body["spec"], "replicas": self.replicas}}

    def first_difference(self, live: dict[str, Any]) -> str | None:
        """Path of the first field of ours that `live` does not have as it should be; None when all are right."""
        # The defaults of kinds that others define are not known, and they may be inside of what is atomic.
        return _first_difference(self.body, live, atomic=self.kind not in OPTIONAL_CHILD_KINDS)

    def was_applied_to(self, live: Mapping[str, Any]) -> bool:
        """Whether `live` was once brought to this very state: then what differs was changed by somebody."""
        return (live["metadata"].get("annotations") or {}).get(HASH_ANNOTATION) == self.digest

    def conflicting_nodes(self, live: Mapping[str, Any]) -> list[NodeReplacement]:
        """Nodes of `live` that must be replaced before an apply can succeed."""
        return list(_conflicting_nodes(self.body, live, EXCLUSIVE_FIELDS.get(self.kind, frozenset())))


def _first_difference(
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
        if (below := _first_difference(value, live.get(key), key, atomic=atomic, reject_additions=whole)) is not None:
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
        if (below := _first_difference(wanted, found, atomic=atomic, reject_additions=atomic and not keys)) is not None:
            return f"{step}{below}"
    return None


def _conflicting_nodes(
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
            yield from _conflicting_nodes(wanted, found, names, below, field)
        elif _first_difference(wanted, found, atomic=False) is not None:
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
