"""A field that leaves the spec leaves the children, also if another field manager owns it.

For each field of the CRD: a ModelService sets it, another manager applies the live children (no conflict, since the
values are equal, as a GitOps tool or a restored backup does), then the field leaves the ModelService. Each node that
the builders no longer return must have the value that it has in a new object.
"""

import asyncio
import copy
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest
import pytest_asyncio

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import BUILT_IN_CHILD_KINDS, MODEL_SERVICE, ResourceKind
from modelservice_operator.resources import DesiredChild, build_children
from tests.support.api import JSON_PATCH, OTHER_MANAGER, ApiClient, Object, RequestRejectedError
from tests.support.builders import ModelServiceBuilder, golden
from tests.support.fights import apply_as_it_is
from tests.support.namespace import NamespaceFixture
from tests.support.openapi_walk import MissingError, NodePath, Schema, nodes_of, value_at
from tests.support.schema_fields import ITEM, REFUSED_FIELD, VALUE, fields, with_field

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

CONCURRENCY = 12
DEADLINE = 30.0
KEPT = {"nodePort", "healthCheckNodePort", "ipFamilyPolicy"}
"""Fields of a Service that an update without them does not change (core/v1, the Service's REST storage)."""
Path = tuple[str, ...]


class Outcome(StrEnum):
    """Result for one field."""

    GONE = "gone"
    NAMED = "named"
    """The status names the other manager, or why the API server rejects the removal."""
    NO_CHANGE = "without an effect on a child"
    REQUIRED = "required"
    """No ModelService without the field is valid."""
    INVALID = "invalid"
    """The example is not valid without other fields."""
    LEFT = "LEFT"
    """A node is still there, and the status does not tell."""


@dataclass(frozen=True)
class Case:
    """A ModelService, and the path of the field that is removed from its spec."""

    label: str
    service: ModelServiceBuilder
    path: Path

    def reduced(self) -> Iterator[Object]:
        """Yield specs without the field, or without the closest parent that can be left out."""
        for length in range(len(self.path), 0, -1):
            spec = copy.deepcopy(self.service.spec)
            _remove(spec, self.path[:length])
            yield spec


def cases() -> Iterator[Case]:
    """Yield each field of the schema, and each top-level field of a ModelService that has all of them."""
    for number, field in enumerate(fields()):
        if "examples" in field.schema and not field.name.startswith(REFUSED_FIELD):
            service = with_field(field.path, field.example)
            scaled = field.path[0] in {"replicas", "autoscaling"}
            service = service if scaled else service.with_spec(replicas=0)
            yield Case(field.name, service.named(f"f{number}"), field.path)
    everything = golden("everything")
    for name in everything.spec:
        yield Case(f"everything.{name}", everything.named(f"all-{name.lower()}"), (name,))


def _remove(node: Any, path: Path) -> None:
    for step in path[:-1]:
        node = node[_key(node, step)]
    del node[_key(node, path[-1])]


def _key(node: Any, step: str) -> Any:
    if step == ITEM:
        return 0
    return next(iter(node)) if step == VALUE else step


@dataclass(frozen=True)
class CoOwner:
    """Another field manager of all children of a namespace."""

    api: ApiClient
    ns: NamespaceFixture
    schemas: dict[ResourceKind, Schema]

    async def run(self, case: Case) -> tuple[Outcome, str]:
        """Own the children of a ModelService, take the field away, and return what happens to it."""
        path = MODEL_SERVICE.path(namespace=self.ns.namespace)
        try:
            created = await self.api.request(
                "POST", path, case.service.named(case.service.name, namespace=self.ns.namespace).manifest()
            )
        except RequestRejectedError as error:
            return Outcome.INVALID, str(error)
        before = self._children(created)
        for child in before:
            await self._own(child)
        changed = await self._take_away(case, f"{path}/{case.service.name}")
        if changed is None:
            return Outcome.REQUIRED, ""
        after = {(child.kind, child.key): child for child in self._children(changed)}
        gone = [(child, after.get((child.kind, child.key))) for child in before]
        if all(new is not None and new.digest == old.digest for old, new in gone):
            return Outcome.NO_CHANGE, ""
        left = [text for old, new in gone async for text in self._left(old, new)]
        if not left:
            return Outcome.GONE, ""
        ready = self.ns.condition(case.service.name)
        is_named = ready["status"] == "False" and (OTHER_MANAGER in ready["message"] or ready["reason"] == "Rejected")
        return (Outcome.NAMED if is_named else Outcome.LEFT), f"{left} {ready.get('message')}"

    def _children(self, body: Object) -> list[DesiredChild]:
        children = build_children(ModelService.parse(body))
        return [child for child in children if child.kind in BUILT_IN_CHILD_KINDS]

    async def _own(self, child: DesiredChild) -> None:
        """Apply a child as it is, with all of its fields."""
        path = child.kind.path(namespace=child.key.namespace, name=child.key.name)
        await self._read(path, lambda body: body is not None)
        await apply_as_it_is(self.api, child.kind, child.key.namespace, child.key.name)

    async def _take_away(self, case: Case, path: str) -> Object | None:
        for spec in case.reduced():
            with suppress(RequestRejectedError):
                patch = [{"op": "replace", "path": "/spec", "value": spec}]
                changed: Object = await self.api.request("PATCH", path, patch, content_type=JSON_PATCH)
                return changed
        return None

    async def _left(self, old: DesiredChild, new: DesiredChild | None) -> AsyncIterator[str]:
        """Yield the nodes of a child that should be gone."""
        path = old.kind.path(namespace=old.key.namespace, name=old.key.name)
        if new is None:
            if await self._read(path, lambda body: body is None):
                yield f"{old.kind.kind} {old.key.name}"
            return
        nodes, fresh = self._gone_nodes(old, new), await self._fresh(new)

        def is_as_new(body: Object | None) -> bool:
            applied = body is not None and new.was_applied_to(body)
            return applied and all(value_at(body, node) == value_at(fresh, node) for node in nodes)

        live = await self._read(path, is_as_new)
        for node in nodes:
            if value_at(live, node) != value_at(fresh, node):
                yield f"{old.kind.kind} {node}: {value_at(live, node)!r}, new {value_at(fresh, node)!r}"

    def _gone_nodes(self, old: DesiredChild, new: DesiredChild) -> list[NodePath]:
        nodes = [node.path for node in nodes_of(json.loads(json.dumps(old.body)), self.schemas[old.kind])]
        lacking = [path for path in nodes if value_at(new.body, path) is MissingError]
        return [path for path in lacking if path[-1] not in KEPT]

    async def _fresh(self, child: DesiredChild) -> Object:
        """Return the child as the API server would create it, with its defaults."""
        metadata = child.body["metadata"] | {"name": f"{child.key.name}-new"}
        path = child.kind.path(namespace=child.key.namespace)
        created: Object = await self.api.request(
            "POST", f"{path}?dryRun=All", child.create_body() | {"metadata": metadata}
        )
        return created

    async def _read(self, path: str, condition: Callable[[Object | None], bool]) -> Any:
        """Return an object, or None, as soon as it meets the condition, or as it is at the deadline."""
        found = None
        with suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE):
                while True:
                    found = await self._get(path)
                    if condition(found):
                        break
                    await asyncio.sleep(0.1)
        return found

    async def _get(self, path: str) -> Object | None:
        try:
            found: Object = await self.api.request("GET", path)
        except RequestRejectedError:
            return None
        return found


@pytest_asyncio.fixture(loop_scope="module")
async def co_owner(ns: NamespaceFixture) -> AsyncIterator[CoOwner]:
    async with ApiClient(ns.cluster.kubeconfig) as api:
        schemas = {}
        for kind in BUILT_IN_CHILD_KINDS:
            group = f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"
            schemas[kind] = Schema.for_kind(await api.request("GET", f"/openapi/v3/{group}"), kind)
        yield CoOwner(api, ns, schemas)


async def test_co_owned_fields_leave_with_the_spec(co_owner: CoOwner, figure: Callable[[str], None]) -> None:
    slots = asyncio.Semaphore(CONCURRENCY)

    async def run(case: Case) -> tuple[Case, Outcome, str]:
        async with slots:
            return (case, *await co_owner.run(case))

    results = await asyncio.gather(*map(run, list(cases())))
    counts = Counter(outcome for _, outcome, _ in results)
    figure("co-owned fields: " + ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome))
    told = [
        f"{case.label}: {outcome}: {text}"
        for case, outcome, text in results
        if outcome in {Outcome.NAMED, Outcome.INVALID}
    ]
    figure("\n".join(told))
    left = [f"{case.label}: {text}" for case, outcome, text in results if outcome is Outcome.LEFT]
    assert not left, "\n".join(left)
    assert counts[Outcome.GONE] > len(results) / 2
