"""Drift of every field that the operator applies: another field manager changes and removes it, and adds other fields.

The changes are generated from the output of the builders and the API server's OpenAPI document, so that a new field is
tested as well. Changes that the API server rejects are counted and listed.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import BUILT_IN_CHILD_KINDS, ResourceKind
from modelservice_operator.resources import build_children
from tests.support.api import JSON_PATCH, ApiClient, Object, RequestRejectedError, Watcher
from tests.support.builders import golden
from tests.support.mutations import other_values, possible_additions
from tests.support.namespace import NamespaceFixture
from tests.support.openapi_walk import (
    MissingError,
    NodePath,
    Schema,
    SchemaNode,
    Step,
    descendants_of,
    nodes_of,
    pointer,
    value_at,
)

OBJECTS = 10
"""Objects over which the fields are distributed: too many changes of one field would reach the drift limit."""
DEADLINE = 60.0
"""Seconds after which a change counts as lost. A correction waits for up to 50 others, and for the disk of etcd."""
OWNERS = ("metadata", "ownerReferences")


class ChangeType(StrEnum):
    """Kind of a change."""

    CHANGED = "changed"
    REMOVED = "removed"
    ADDED = "extended"


class Outcome(StrEnum):
    """Result of a change."""

    REVERTED = "reverted"
    """The operator restored the field and removed what was added inside it."""
    REJECTED = "rejected"
    """The API server rejected the change."""
    DEFAULTED = "unchanged"
    """The API server restored the value itself."""
    KEPT = "kept"
    """The addition still exists, also after corrections of other fields."""
    LOST = "LOST"
    """A field was not restored, or an addition was removed."""


@dataclass(frozen=True)
class ChangeResult:
    """One change of a node and its outcome."""

    kind: ResourceKind
    node: SchemaNode
    change_type: ChangeType
    outcome: Outcome
    seconds: float = 0.0
    details: str = ""
    addition: NodePath = ()

    def __str__(self) -> str:
        return f"{self.kind.kind}{self.node} {self.change_type}: {self.outcome}. {self.details}"


@dataclass(frozen=True)
class OtherManager:
    """Another field manager, which changes one child and watches the result."""

    api: ApiClient
    watcher: Watcher
    namespace: str
    kind: ResourceKind
    name: str

    @property
    def live(self) -> Object:
        found = self.watcher.get(self.kind, self.name)
        assert found is not None
        return found

    async def change(self, node: SchemaNode) -> ChangeResult:
        """Set another value: the first that the API server accepts."""
        return await self._change(
            node, ChangeType.CHANGED, [{"op": "replace", "value": it} for it in other_values(node)]
        )

    async def remove(self, node: SchemaNode) -> ChangeResult:
        return await self._change(node, ChangeType.REMOVED, [{"op": "remove"}])

    async def add(self, node: SchemaNode, suffix: str, owner: Object) -> ChangeResult:
        """Add a value below a node: the first that the API server accepts and stores."""
        before = self.live
        path, live_value = pointer(before, node.path)
        details = "Nothing can be added."
        for step, value in possible_additions(node, live_value, suffix):
            last_step, item = ((("uid", owner["uid"]),), owner) if node.path == OWNERS else (step, value)
            try:
                changed = await self._patch({"op": "add", "path": f"{path}/{_last(last_step)}", "value": item})
            except RequestRejectedError as error:
                details = str(error)
                continue
            path_of_addition = (*node.path, last_step)
            # The API server accepts and drops a field behind a disabled feature gate.
            if last_step == "-" or value_at(changed, path_of_addition) is not MissingError:
                return await self._added(node, before, changed, path_of_addition)
        return ChangeResult(self.kind, node, ChangeType.ADDED, Outcome.REJECTED, details=details)

    async def _change(self, node: SchemaNode, change_type: ChangeType, patches: list[Object]) -> ChangeResult:
        before = self.live
        outcome, details = Outcome.REJECTED, ""
        for patch in patches:
            try:
                changed = await self._patch(patch | {"path": pointer(before, node.path)[0]})
            except RequestRejectedError as error:
                details = str(error)
                continue
            is_unchanged = unchanged_in(before, node)
            if not is_unchanged(changed):
                return await self._until_reverted(node, change_type, is_unchanged, changed)
            outcome = Outcome.DEFAULTED
        return ChangeResult(self.kind, node, change_type, outcome, details=details)

    async def _added(
        self, node: SchemaNode, before: Object, changed: Object, path_of_addition: NodePath
    ) -> ChangeResult:
        root = node.atomic_root or (node.path if node.schema.is_atomic else None)
        if root is None:
            return ChangeResult(self.kind, node, ChangeType.ADDED, Outcome.KEPT, addition=path_of_addition)
        # The operator owns the whole node, so that an addition is drift.
        return await self._until_reverted(
            node, ChangeType.ADDED, unchanged_in(before, replace(node, atomic_root=root)), changed
        )

    async def _until_reverted(
        self, node: SchemaNode, change_type: ChangeType, is_unchanged: Callable[[Object], bool], changed: Object
    ) -> ChangeResult:
        started, version = time.monotonic(), int(changed["metadata"]["resourceVersion"])

        def is_reverted(body: Object) -> bool:
            return int(body["metadata"]["resourceVersion"]) > version and is_unchanged(body)

        reverted_at = await self.watcher.wait(self.kind, self.name, is_reverted, within=DEADLINE)
        if reverted_at is None:
            details = f"The value is {value_at(self.live, node.path)!r}. ModelService {self.name}."
            return ChangeResult(self.kind, node, change_type, Outcome.LOST, details=details)
        return ChangeResult(self.kind, node, change_type, Outcome.REVERTED, seconds=max(0.0, reverted_at - started))

    async def _patch(self, patch: Object) -> Object:
        path = self.kind.path(namespace=self.namespace, name=self.name)
        answer: Object = await self.api.request("PATCH", path, [patch], content_type=JSON_PATCH)
        return answer


def _last(step: Step) -> str:
    return "-" if isinstance(step, tuple) else str(step).replace("~", "~0").replace("/", "~1")


def unchanged_in(before: Object, node: SchemaNode) -> Callable[[Object], bool]:
    """Return a predicate that is True if a node is as in `before`: as a whole if it is atomic, else in every leaf."""
    leaves = [leaf for leaf in (node, *descendants_of(node)) if leaf.is_leaf]
    paths = [node.atomic_root] if node.atomic_root is not None else [leaf.path for leaf in leaves]

    def values_in(body: Object) -> list[Any]:
        values = [value_at(body, path) for path in paths]
        # The content of a map that the operator applies as empty belongs to other managers.
        return (
            values if node.atomic_root is not None else [{} if isinstance(value, dict) else value for value in values]
        )

    expected = values_in(before)
    return lambda body: values_in(body) == expected


@dataclass(frozen=True)
class Sweep:
    """Changes every field of all children of all objects."""

    api: ApiClient
    watcher: Watcher
    ns: NamespaceFixture
    names: list[str]
    owner: Object
    """Another owner reference to an existing object: the garbage collector would remove others."""

    async def run(self, kind: ResourceKind) -> list[ChangeResult]:
        """Change every node of a kind of children, each in one of the objects."""
        schema = await self._schema(kind)
        results = await asyncio.gather(*(self._change_nodes(kind, schema, number) for number in range(len(self.names))))
        return [result for results_of_one in results for result in results_of_one]

    async def _schema(self, kind: ResourceKind) -> Schema:
        group = f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"
        return Schema.for_kind(await self.api.request("GET", f"/openapi/v3/{group}"), kind)

    async def _change_nodes(self, kind: ResourceKind, schema: Schema, number: int) -> list[ChangeResult]:
        """Additions come first, because they must survive later corrections; removals of whole nodes come last."""
        name = self.names[number]
        manager = OtherManager(self.api, self.watcher, self.ns.namespace, kind, name)
        nodes = nodes_of(self._applied(kind, name), schema)[number :: len(self.names)]
        results = [
            await manager.add(node, f"n{index}", self.owner) for index, node in enumerate(nodes) if is_shared(node)
        ]
        nodes = [node for node in nodes if not is_exempt(node)]
        for leaf in [node for node in nodes if node.is_leaf and not contains_additions(node)]:
            results += [await manager.change(leaf), await manager.remove(leaf)]
        results = [check_addition(result, manager.live) for result in results]
        for branch in [node for node in nodes if contains_additions(node)]:
            results += [await manager.change(branch)] if branch.is_leaf else []
            results.append(await manager.remove(branch))
        return results

    def _applied(self, kind: ResourceKind, name: str) -> Any:
        service = ModelService.parse(self.ns.get_model_service(name))
        [desired] = [child for child in build_children(service) if child.kind is kind]
        return json.loads(json.dumps(desired.body))


def check_addition(result: ChangeResult, live: Object) -> ChangeResult:
    is_lost = result.addition and value_at(live, result.addition) is MissingError
    return replace(result, outcome=Outcome.LOST, details="The addition was removed.") if is_lost else result


def is_shared(node: SchemaNode) -> bool:
    """Return True if other managers may add values below a node; the API server owns the fields of `metadata`."""
    return isinstance(node.desired, dict | list) and node.path != ("metadata",)


def is_exempt(node: SchemaNode) -> bool:
    """Return True for the UID of the owner reference: another UID means another controller."""
    return node.path[:2] == OWNERS and node.path[-1] == "uid"


def contains_additions(node: SchemaNode) -> bool:
    """Return True if additions are removed with the node: it is a map, a list, or the key of a list's item."""
    parent = node.path[-2] if len(node.path) > 1 else ""
    return isinstance(node.desired, dict | list) or (isinstance(parent, tuple) and node.path[-1] in dict(parent))


@asynccontextmanager
async def prepared_sweep(ns: NamespaceFixture) -> AsyncIterator[Sweep]:
    """Create the objects, wait for all children, and watch them."""
    names = [f"leaf-{number}" for number in range(OBJECTS)]
    for name in names:
        ns.apply(golden("everything").named(name))
    ns.kubectl("create", "configmap", "other-owner")
    uid = ns.get("configmap", "other-owner")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "other-owner", "uid": uid}
    async with (
        ApiClient(ns.cluster.kubeconfig) as api,
        Watcher(api, ns.namespace).watch(BUILT_IN_CHILD_KINDS) as watcher,
    ):
        for kind, name in [(kind, name) for kind in BUILT_IN_CHILD_KINDS for name in names]:
            assert await watcher.wait(kind, name, lambda _: True, within=60), f"There is no {kind.kind} {name}."
        # Pods of so many revisions would slow the test; with an autoscaler the operator does not manage the replicas.
        ns.kubectl("scale", *(f"deployment/{name}" for name in names), "--replicas=0")
        yield Sweep(api, watcher, ns, names, owner)


def summary(results: list[ChangeResult]) -> Iterable[str]:
    """Yield the number of changes by outcome, and the fields that the API server itself protects."""
    outcomes: dict[tuple[ResourceKind, str], dict[ChangeType, Outcome]] = {}
    for result in results:
        outcomes.setdefault((result.kind, str(result.node)), {})[result.change_type] = result.outcome
    leaves = {node: of_field for node, of_field in outcomes.items() if ChangeType.CHANGED in of_field}
    times = [result.seconds for result in results if result.outcome is Outcome.REVERTED]
    restored = [node for node, of_field in leaves.items() if Outcome.LOST not in of_field.values()]
    yield (
        f"drift fields {len(restored)}/{len(leaves)} ({len(results)} changes, {len(times)} corrections:"
        f" median {median(times) * 1000:.0f} ms, longest {max(times) * 1000:.0f} ms)"
    )
    for change_type in ChangeType:
        counts = {
            outcome: len([1 for result in results if (result.change_type, result.outcome) == (change_type, outcome)])
            for outcome in Outcome
        }
        yield f"  {change_type}: " + ", ".join(f"{outcome} {count}" for outcome, count in counts.items() if count)
    for kind in BUILT_IN_CHILD_KINDS:
        fixed = [
            name
            for (of, name), of_field in leaves.items()
            if of is kind and set(of_field.values()) == {Outcome.REJECTED}
        ]
        yield f"  {kind.kind} fields that the API server protects: {len(fixed)}: {' '.join(fixed)}"


async def test_every_field_of_every_child_is_restored(ns: NamespaceFixture, figure: Callable[[str], None]) -> None:
    async with prepared_sweep(ns) as sweep:
        results = [
            result
            for results_of_one in await asyncio.gather(*map(sweep.run, BUILT_IN_CHILD_KINDS))
            for result in results_of_one
        ]
    figure("\n".join(summary(results)))
    lost = [str(result) for result in results if result.outcome is Outcome.LOST]
    assert not lost, "\n".join((*lost, ns.operator_log()[-20_000:]))
