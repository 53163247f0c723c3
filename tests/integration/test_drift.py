"""Every leaf that the operator applies: changed, removed, and with neighbours, by another manager of the same object.

Leaves and neighbours are generated from what the builders make and from the API server's OpenAPI, so that a new field
cannot go untested. What the API server itself refuses is counted and listed.
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
"""Objects over which the leaves are spread: a field that is changed too often would be taken for a fight."""
DEADLINE = 5.0
SLACK = 3
OWNERS = ("metadata", "ownerReferences")


class Verb(StrEnum):
    """What somebody does to a place."""

    CHANGED = "changed"
    REMOVED = "removed"
    JOINED = "given a neighbour"


class Fate(StrEnum):
    """What came of it."""

    BACK = "back"
    """Ours is as it was, and what was put inside of it is gone."""
    REFUSED = "refused"
    """By the API server."""
    DEFAULTED = "unchanged"
    """The API server put it back itself."""
    KEPT = "kept"
    """The neighbour is there, also after corrections beside it."""
    LOST = "LOST"
    """What should be there is not."""


@dataclass(frozen=True)
class Deed:
    """What somebody did to a place, and what came of it."""

    kind: ResourceKind
    place: SchemaNode
    verb: Verb
    fate: Fate
    seconds: float = 0.0
    sentence: str = ""
    neighbour: NodePath = ()

    def __str__(self) -> str:
        return f"{self.kind.kind}{self.place} {self.verb}: {self.fate}. {self.sentence}"


@dataclass(frozen=True)
class Meddler:
    """Somebody with the right to change one child, and eyes to see what becomes of it."""

    api: ApiClient
    watched: Watcher
    namespace: str
    kind: ResourceKind
    name: str

    @property
    def live(self) -> Object:
        found = self.watched.get(self.kind, self.name)
        assert found is not None
        return found

    async def change(self, place: SchemaNode) -> Deed:
        """Give a leaf another value: the first that the API server takes."""
        return await self._damage(place, Verb.CHANGED, [{"op": "replace", "value": it} for it in other_values(place)])

    async def remove(self, place: SchemaNode) -> Deed:
        return await self._damage(place, Verb.REMOVED, [{"op": "remove"}])

    async def add(self, place: SchemaNode, mark: str, owner: Object) -> Deed:
        """Put something below a place: the first that the API server takes and keeps."""
        before = self.live
        path, node = pointer(before, place.path)
        sentence = "There is nothing to add."
        for step, value in possible_additions(place, node, mark):
            where, item = ((("uid", owner["uid"]),), owner) if place.path == OWNERS else (step, value)
            try:
                damaged = await self._patch({"op": "add", "path": f"{path}/{_last(where)}", "value": item})
            except RequestRejectedError as error:
                sentence = str(error)
                continue
            route = (*place.path, where)
            # A field behind a feature gate is taken and dropped.
            if where == "-" or value_at(damaged, route) is not MissingError:
                return await self._joined(place, before, damaged, route)
        return Deed(self.kind, place, Verb.JOINED, Fate.REFUSED, sentence=sentence)

    async def _damage(self, place: SchemaNode, verb: Verb, tries: list[Object]) -> Deed:
        before = self.live
        fate, sentence = Fate.REFUSED, ""
        for patch in tries:
            try:
                damaged = await self._patch(patch | {"path": pointer(before, place.path)[0]})
            except RequestRejectedError as error:
                sentence = str(error)
                continue
            intact = whole(before, place)
            if not intact(damaged):
                return await self._until_back(place, verb, intact, damaged)
            fate = Fate.DEFAULTED
        return Deed(self.kind, place, verb, fate, sentence=sentence)

    async def _joined(self, place: SchemaNode, before: Object, damaged: Object, route: NodePath) -> Deed:
        root = place.atomic_root or (place.path if place.schema.is_atomic else None)
        if root is None:
            return Deed(self.kind, place, Verb.JOINED, Fate.KEPT, neighbour=route)
        # All of it has one owner, and that is us: an addition is a change.
        return await self._until_back(place, Verb.JOINED, whole(before, replace(place, atomic_root=root)), damaged)

    async def _until_back(
        self, place: SchemaNode, verb: Verb, intact: Callable[[Object], bool], damaged: Object
    ) -> Deed:
        started, version = time.monotonic(), int(damaged["metadata"]["resourceVersion"])

        def back(body: Object) -> bool:
            return int(body["metadata"]["resourceVersion"]) > version and intact(body)

        seen = await self.watched.wait(self.kind, self.name, back, within=DEADLINE * SLACK)
        if seen is None:
            sentence = f"It is {value_at(self.live, place.path)!r}."
            return Deed(self.kind, place, verb, Fate.LOST, sentence=sentence)
        return Deed(self.kind, place, verb, Fate.BACK, seconds=max(0.0, seen - started))

    async def _patch(self, patch: Object) -> Object:
        path = self.kind.path(namespace=self.namespace, name=self.name)
        answer: Object = await self.api.request("PATCH", path, [patch], content_type=JSON_PATCH)
        return answer


def _last(step: Step) -> str:
    return "-" if isinstance(step, tuple) else str(step).replace("~", "~0").replace("/", "~1")


def whole(before: Object, place: SchemaNode) -> Callable[[Object], bool]:
    """Tell whether a place is as before: exactly where one owner has all of it, else in every leaf that is ours."""
    leaves = [node for node in (place, *descendants_of(place)) if node.is_leaf]
    guarded = [place.atomic_root] if place.atomic_root is not None else [leaf.path for leaf in leaves]

    def seen(body: Object) -> list[Any]:
        values = [value_at(body, route) for route in guarded]
        # What is inside of an empty map of ours is somebody else's.
        return (
            values if place.atomic_root is not None else [{} if isinstance(value, dict) else value for value in values]
        )

    expected = seen(before)
    return lambda body: seen(body) == expected


@dataclass(frozen=True)
class Sweep:
    """All children of all objects."""

    api: ApiClient
    watched: Watcher
    ns: NamespaceFixture
    names: list[str]
    owner: Object
    """A neighbour for our owner reference: one that exists, since the garbage collector removes others."""

    async def run(self, kind: ResourceKind) -> list[Deed]:
        """Meddle with every place of a kind of children, each in one of the objects."""
        schema = await self._schema(kind)
        deeds = await asyncio.gather(*(self._meddle(kind, schema, number) for number in range(len(self.names))))
        return [deed for some in deeds for deed in some]

    async def _schema(self, kind: ResourceKind) -> Schema:
        group = f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"
        return Schema.for_kind(await self.api.request("GET", f"/openapi/v3/{group}"), kind)

    async def _meddle(self, kind: ResourceKind, schema: Schema, number: int) -> list[Deed]:
        """Neighbours come first, to outlive corrections beside them; what takes neighbours along comes last."""
        name = self.names[number]
        meddler = Meddler(self.api, self.watched, self.ns.namespace, kind, name)
        mine = nodes_of(self._applied(kind, name), schema)[number :: len(self.names)]
        deeds = [await meddler.add(node, f"n{index}", self.owner) for index, node in enumerate(mine) if is_shared(node)]
        mine = [place for place in mine if not is_exempt(place)]
        for leaf in [place for place in mine if place.is_leaf and not takes_along(place)]:
            deeds += [await meddler.change(leaf), await meddler.remove(leaf)]
        deeds = [survived(deed, meddler.live) for deed in deeds]
        for branch in [place for place in mine if takes_along(place)]:
            deeds += [await meddler.change(branch)] if branch.is_leaf else []
            deeds.append(await meddler.remove(branch))
        return deeds

    def _applied(self, kind: ResourceKind, name: str) -> Any:
        service = ModelService.parse(self.ns.get_model_service(name))
        [desired] = [child for child in build_children(service) if child.kind is kind]
        return json.loads(json.dumps(desired.body))


def survived(deed: Deed, live: Object) -> Deed:
    gone = deed.neighbour and value_at(live, deed.neighbour) is MissingError
    return replace(deed, fate=Fate.LOST, sentence="The neighbour is gone.") if gone else deed


def is_shared(place: SchemaNode) -> bool:
    """Whether others may put something below: the metadata's own fields are the API server's."""
    return isinstance(place.desired, dict | list) and place.path != ("metadata",)


def is_exempt(place: SchemaNode) -> bool:
    """Whether the place is no leaf like others: with another UID the reference names another controller."""
    return place.path[:2] == OWNERS and place.path[-1] == "uid"


def takes_along(place: SchemaNode) -> bool:
    """Whether neighbours go with the place: a map or list, or the key of a list's item."""
    parent = place.path[-2] if len(place.path) > 1 else ""
    return isinstance(place.desired, dict | list) or (isinstance(parent, tuple) and place.path[-1] in dict(parent))


@asynccontextmanager
async def sweeping(ns: NamespaceFixture) -> AsyncIterator[Sweep]:
    """Make the objects, wait until all children are there, and watch them."""
    names = [f"leaf-{number}" for number in range(OBJECTS)]
    for name in names:
        ns.apply(golden("everything").named(name))
    ns.kubectl("create", "configmap", "witness")
    uid = ns.get("configmap", "witness")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "witness", "uid": uid}
    async with (
        ApiClient(ns.cluster.kubeconfig) as api,
        Watcher(api, ns.namespace).watch(BUILT_IN_CHILD_KINDS) as watched,
    ):
        for kind, name in [(kind, name) for kind in BUILT_IN_CHILD_KINDS for name in names]:
            assert await watched.wait(kind, name, lambda _: True, within=30), f"There is no {kind.kind} {name}."
        # Pods of so many revisions would only be in the way; under an autoscaler the count is not ours.
        ns.kubectl("scale", *(f"deployment/{name}" for name in names), "--replicas=0")
        yield Sweep(api, watched, ns, names, owner)


def summary(deeds: list[Deed]) -> Iterable[str]:
    """Say how many leaves and neighbours there were, what became of them, and what the API server itself guards."""
    fates: dict[tuple[ResourceKind, str], dict[Verb, Fate]] = {}
    for deed in deeds:
        fates.setdefault((deed.kind, str(deed.place)), {})[deed.verb] = deed.fate
    leaves = {place: done for place, done in fates.items() if Verb.CHANGED in done}
    times = [deed.seconds for deed in deeds if deed.fate is Fate.BACK]
    right = [place for place, done in leaves.items() if Fate.LOST not in done.values()]
    yield (
        f"drift leaves {len(right)}/{len(leaves)} ({len(deeds)} deeds, {len(times)} corrections:"
        f" median {median(times) * 1000:.0f} ms, longest {max(times) * 1000:.0f} ms)"
    )
    for verb in Verb:
        counts = {fate: len([1 for deed in deeds if (deed.verb, deed.fate) == (verb, fate)]) for fate in Fate}
        yield f"  {verb}: " + ", ".join(f"{fate} {count}" for fate, count in counts.items() if count)
    for kind in BUILT_IN_CHILD_KINDS:
        fixed = [name for (of, name), done in leaves.items() if of is kind and set(done.values()) == {Fate.REFUSED}]
        yield f"  {kind.kind}, neither to be changed nor removed says the API server: {len(fixed)}: {' '.join(fixed)}"


async def test_every_field_of_every_child_is_restored(ns: NamespaceFixture, figure: Callable[[str], None]) -> None:
    async with sweeping(ns) as sweep:
        deeds = [deed for some in await asyncio.gather(*map(sweep.run, BUILT_IN_CHILD_KINDS)) for deed in some]
    figure("\n".join(summary(deeds)))
    lost = [str(deed) for deed in deeds if deed.fate is Fate.LOST]
    assert not lost, "\n".join(lost)
