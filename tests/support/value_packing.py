"""Packs values of many fields into few ModelServices: values of different fields, which do not exclude each other."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.support.field_values import Case, name_of
from tests.support.schema_fields import ITEM, with_field

Spec = dict[str, Any]
Path = tuple[str, ...]
MAX_CASES = 40
MAX_ITEMS = 4
_KEYS: dict[str, Callable[[Any, int], Any]] = {
    "name": lambda name, number: f"{name}x{number}",
    "mountPath": lambda path, number: f"{path}x{number}",
    "containerPort": lambda port, number: port + 100 * number if port < 60_000 else port - number,
    "topologyKey": lambda key, number: f"{key}x{number}",
    "type": lambda kind, _: kind,
}
"""Keys of the items of lists, and another value for the item of a number."""
_ALTERNATIVES: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        "value valueFrom",
        "secretKeyRef configMapKeyRef fieldRef resourceFieldRef",
        "httpGet tcpSocket grpc exec sleep",
        "secretRef configMapRef",
        "configMap secret persistentVolumeClaim emptyDir csi ephemeral projected downwardAPI serviceAccountToken",
        "ingress httpRoute",
        "drainSeconds lifecycle terminationGracePeriodSeconds",
        "managedBy maxReplicas",
        "matchLabelKeys mismatchLabelKeys",
        "progressDeadlineSeconds minReadySeconds",
        "minAvailable maxUnavailable",
        "resourceClaimName resourceClaimTemplateName",
        "ipBlock podLabels",
        "ipBlock namespaceLabels",
        "host rules",
        "path rules",
        "port rules",
        "pathType rules",
        "operator value",
        "tls tlsSecretName",
        "averageValue averageUtilization",
        "resource containerResource pods object external",
        "replicas autoscaling",
    )
)
"""Fields that exclude each other. Only a hint: the API server decides, and what it rejects is split."""


class ConflictError(Exception):
    """Two specs cannot be one."""


@dataclass(frozen=True)
class Pack:
    """Some cases, and the spec that has all of their values."""

    cases: tuple[Case, ...]
    spec: Spec

    def with_case(self, case: Case, spec: Spec) -> "Pack":
        """Return the pack with one more case, whose own spec is `spec`. Raises ConflictError if they contradict."""
        return Pack((*self.cases, case), merge(self.spec, spec, case[0].path))

    def halves(self) -> Iterator["Pack"]:
        """Yield smaller packs with the same cases."""
        middle = len(self.cases) // 2
        yield from (*pack(self.cases[:middle]), *pack(self.cases[middle:]))

    def __str__(self) -> str:
        return ", ".join(map(name_of, self.cases))


def spec_of(case: Case) -> Spec:
    """Return the smallest spec with the value of a case."""
    field, value = case
    spec = with_field(field.path, value).spec
    if field.path[:2] == ("sidecars", ITEM) and field.path[2:] != ("name",):
        # The examples of both kinds of containers have one name.
        spec = spec | {"sidecars": [container | {"name": "proxy"} for container in spec["sidecars"]]}
    if field.path[0] == "resources" and field.path[1:2] != ("claims",) and field.path[1:]:
        # Only claims need it, and no pod with a claim starts on simulated nodes.
        spec = {name: part for name, part in spec.items() if name != "resourceClaims"}
    return spec


def pack(cases: Iterable[Case]) -> list[Pack]:
    """Put each case into the first pack that it goes together with."""
    packs: list[Pack] = []
    full: list[Pack] = []
    for case in cases:
        own = spec_of(case)
        for index, one in enumerate(packs):
            try:
                packs[index] = one.with_case(case, own)
            except ConflictError:
                continue
            if len(packs[index].cases) == MAX_CASES:
                full.append(packs.pop(index))
            break
        else:
            packs.append(Pack((case,), own))
    return full + packs


def merge(first: Any, second: Any, path: Path) -> Any:
    """Return a value that contains two others. Raises ConflictError if they contradict each other.

    Items are renamed in the lists of `path`, that of the case which is added: other fields refer to the others.
    """
    if first == second:
        return first
    # An empty map or list is a separate value: it does not go together with a filled one.
    if isinstance(first, dict) and isinstance(second, dict) and first and second:
        return _merge_maps(first, second, path)
    if isinstance(first, list) and isinstance(second, list) and first and len(second) == 1 and path[:1] == (ITEM,):
        return _merge_lists(first, second[0], path[1:])
    raise ConflictError(f"{first!r} and {second!r}")


def _merge_maps(first: Spec, second: Spec, path: Path) -> Spec:
    keys = first.keys() | second.keys()
    for names in _ALTERNATIVES:
        if len(keys & names) > max(len(first.keys() & names), len(second.keys() & names)):
            raise ConflictError(f"{keys & names}")
    below = {key: path[1:] if path[:1] == (key,) else () for key in first.keys() & second.keys()}
    return first | second | {key: merge(first[key], second[key], rest) for key, rest in below.items()}


def _merge_lists(items: list[Any], item: Any, path: Path) -> list[Any]:
    """Merge an item into one of the same name, or append it under another name."""
    if not isinstance(item, dict):
        raise ConflictError(f"{items!r} and {item!r}")
    for index, other in enumerate(items):
        if all(other.get(key) == item.get(key) for key in _KEYS):
            with suppress(ConflictError):
                return [*items[:index], merge(other, item, path), *items[index + 1 :]]
    if len(items) == MAX_ITEMS or not _KEYS.keys() & item.keys():
        raise ConflictError("no more items")
    return [*items, _renamed(item, len(items))]


def _renamed(item: Spec, number: int) -> Spec:
    """Return an item with keys that no other item has."""
    return item | {key: change(item[key], number) for key, change in _KEYS.items() if key in item}
