"""A child as it should be, and how it differs from the one that is there."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

from modelservice_operator.apimachinery.kinds import DEPLOYMENT, DISRUPTION_BUDGET, OPTIONAL_CHILDREN, SERVICE, Kind
from modelservice_operator.apimachinery.quantity import Quantity
from modelservice_operator.resources.metadata import HASH_ANNOTATION, NO_ADDRESS, SUSPENDED_ANNOTATION

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

ONE_OF: Mapping[Kind, frozenset[str]] = {
    DEPLOYMENT: frozenset({"volumes", "env", "ports", "startupProbe", "readinessProbe", "livenessProbe"}),
    SERVICE: frozenset({"ports"}),
    DISRUPTION_BUDGET: frozenset({"spec"}),
}
"""Nodes, or lists of nodes, that are not valid with what somebody put there beside ours: two volume sources in one
volume, two ports of one name. An apply only adds, so it is refused."""

_KEPT = ("nodePort",)
"""What the API server gave to a node of ours stays when the node is replaced."""

Obstacle = tuple[str, Any]
"""JSON pointer (RFC 6901) of a node, and what it has to be replaced by."""


@dataclass(frozen=True, slots=True)
class Desired:
    """One child: the configuration that is applied, and the count that only its creation carries."""

    kind: Kind
    body: dict[str, Any]
    replicas: int | None = None
    """Replicas that the object is created with; never part of what is applied later."""
    fixed_replicas: bool = False
    """Whether `replicas` is also to be kept afterwards (nobody else scales the object)."""

    @property
    def digest(self) -> str:
        """Hash of the desired state."""
        return str(self.body["metadata"]["annotations"][HASH_ANNOTATION])

    def replicas_for(self, live: Mapping[str, Any]) -> int | None:
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

    def must_be_remade(self, live: Mapping[str, Any]) -> bool:
        """Whether `live` differs in a field that cannot be changed: a Service becomes headless, or stops being so."""
        if self.kind is not SERVICE:
            return False
        headless, is_headless = (spec.get("clusterIP") == NO_ADDRESS for spec in (self.body["spec"], live["spec"]))
        return bool(headless != is_headless)

    @classmethod
    def of(cls, kind: Kind, body: dict[str, Any], *, replicas: int | None = None, fixed_replicas: bool = False) -> Self:
        """`body` with its own hash as an annotation, by which a field that left the desired state is noticed."""
        digest = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
        body["metadata"]["annotations"][HASH_ANNOTATION] = digest
        return cls(kind, body, replicas, fixed_replicas)

    def creation(self) -> dict[str, Any]:
        """What is POSTed."""
        if self.replicas is None:
            return dict(self.body)
        return {**self.body, "spec": {**self.body["spec"], "replicas": self.replicas}}

    def difference(self, live: dict[str, Any]) -> str | None:
        """Path of the first field of ours that `live` does not have as it should be; None when all are right."""
        # The defaults of kinds that others define are not known, and they may be inside of what is atomic.
        return _difference(self.body, live, strict=self.kind not in OPTIONAL_CHILDREN)

    def is_of_this_state(self, live: Mapping[str, Any]) -> bool:
        """Whether `live` was once brought to this very state: then what differs was changed by somebody."""
        return (live["metadata"].get("annotations") or {}).get(HASH_ANNOTATION) == self.digest

    def obstacles(self, live: Mapping[str, Any]) -> list[Obstacle]:
        """Nodes of `live` that must be replaced before an apply can succeed."""
        return list(_obstacles(self.body, live, ONE_OF.get(self.kind, frozenset())))


def _difference(
    want: Any,  # noqa: ANN401 - JSON
    have: Any,  # noqa: ANN401
    name: str = "",
    *,
    strict: bool,
    exact: bool = False,
) -> str | None:
    """Path below this node at which `have` lacks or contradicts `want`; what `have` has besides is somebody else's.

    It runs on every event of every object: so no path is put together while nothing differs, and what is equal is not
    looked into. `name` is the field that holds the node; `strict`: below an atomic node additions count, and `exact`
    says that this node is one.
    """
    if isinstance(want, Quantity):
        return None if want.same_as(have) else ""
    if want == have:
        return None
    if isinstance(want, dict) and isinstance(have, dict):
        return _map_difference(want, have, strict=strict, exact=exact)
    if isinstance(want, list) and isinstance(have, list):
        return _list_difference(want, have, name, strict=strict)
    return ""


def _map_difference(want: dict[str, Any], have: dict[str, Any], *, strict: bool, exact: bool) -> str | None:
    for key, value in want.items():
        whole = strict and (exact or key in ATOMIC_MAPS)
        if (below := _difference(value, have.get(key), key, strict=strict, exact=whole)) is not None:
            return f".{key}{below}"
    if exact and len(have) > len(want):
        return f".{next(key for key in have if key not in want)}"
    return None


def _list_difference(want: list[Any], have: list[Any], name: str, *, strict: bool) -> str | None:
    keys = _keys(want, name)
    if not keys:
        if len(want) != len(have):
            return ""
        pairs = ((f"[{index}]", *pair) for index, pair in enumerate(zip(want, have, strict=True)))
    else:
        by_key = {_identity(item, keys): item for item in have}
        pairs = ((_spoken(item, keys), item, by_key.get(_identity(item, keys))) for item in want)
    for step, wanted, found in pairs:
        if (below := _difference(wanted, found, strict=strict, exact=strict and not keys)) is not None:
            return f"{step}{below}"
    return None


def _obstacles(want: Any, have: Any, names: frozenset[str], pointer: str = "", name: str = "") -> Iterator[Obstacle]:  # noqa: ANN401 - JSON
    """Nodes of these names, or items of lists of these names, that differ."""
    for step, field, wanted, found in _pairs(want, have, name):
        below = f"{pointer}/{step}"  # API field names and indices: nothing to escape
        if field not in names or isinstance(wanted, list):
            yield from _obstacles(wanted, found, names, below, field)
        elif _difference(wanted, found, strict=False) is not None:
            yield below, wanted | {kept: found[kept] for kept in _KEPT if kept in found}


def _pairs(want: Any, have: Any, name: str) -> Iterator[tuple[str | int, str, Any, Any]]:  # noqa: ANN401 - JSON
    """(step, field, wanted, found) of everything below a node that both have."""
    if isinstance(want, dict) and isinstance(have, dict):
        yield from ((key, key, value, have[key]) for key, value in want.items() if key in have)
    elif isinstance(want, list) and isinstance(have, list) and (keys := _keys(want, name)):
        places = {_identity(item, keys): index for index, item in enumerate(have)}
        known = ((places[_identity(item, keys)], item) for item in want if _identity(item, keys) in places)
        yield from ((index, name, item, have[index]) for index, item in known)


def _keys(want: list[Any], name: str) -> tuple[str, ...]:
    """Fields that tell the items of a list apart; none for a list that is compared whole."""
    keys = LIST_KEYS.get(name, ())
    # A list of the same name may be another one: the ports of a NetworkPolicy have no names.
    return keys if all(isinstance(item, dict) and item.keys() >= set(keys) for item in want) else ()


def _identity(item: dict[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key) for key in keys)


def _spoken(item: dict[str, Any], keys: tuple[str, ...]) -> str:
    return f"[{','.join(str(item[key]) for key in keys)}]"
