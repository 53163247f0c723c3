"""Watches of blocked names: how many there are, when they begin and end, and which changes count."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.cache.informer import InformerContext
from modelservice_operator.client.rest import RestClient
from modelservice_operator.controller.blocked_names import MAX_WATCHES, MAX_WATCHES_PER_NAMESPACE, BlockedNames
from modelservice_operator.resources import DesiredChild, build_children
from modelservice_operator.resources.metadata import ADOPT_BY_ANNOTATION
from modelservice_operator.settings import Settings
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.clock import ManualClock

THEIRS: dict[str, Any] = {"name": "iris", "namespace": "ml", "uid": "theirs", "resourceVersion": "5"}


class Server(RestClient):
    """Lists `items`, and sends what is put into `events`."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = [{"metadata": THEIRS}]
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.listed: list[tuple[str, str]] = []
        self.error: Exception | None = None

    async def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        assert method == "GET"
        self.listed.append((path, options["params"]["fieldSelector"]))
        if self.error is not None:
            raise self.error
        return {"metadata": {"resourceVersion": "7"}, "items": self.items}

    @asynccontextmanager
    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        yield self._events()

    async def _events(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            yield await self.events.get()

    def send(self, kind: str, **metadata: Any) -> None:
        self.events.put_nowait({"type": kind, "object": {"metadata": THEIRS | metadata}})


class Fixture:
    """Running watches, the keys that they enqueued and the children whose rejections they discarded."""

    def __init__(self) -> None:
        self.server = Server()
        self.enqueued: list[NamespacedName] = []
        self.forgotten: list[DesiredChild] = []
        self.names = BlockedNames(InformerContext(self.server, Settings(), ManualClock()), self.enqueued.append)

    def block(self, service: ModelServiceBuilder, *, count: int = 2) -> None:
        parsed = service.parsed()
        self.names.update(parsed, build_children(parsed)[:count], self.forgotten.append)


@asynccontextmanager
async def running() -> AsyncIterator[Fixture]:
    fixture = Fixture()
    task = asyncio.create_task(fixture.names.run())
    await settle()
    yield fixture
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def settle() -> None:
    """Let all tasks run until they wait."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_watches_follow_the_conflicts() -> None:
    async with running() as fixture:
        fixture.block(model_service())
        await settle()
        deployments, services = "/apis/apps/v1/namespaces/ml/deployments", "/api/v1/namespaces/ml/services"
        assert fixture.server.listed == [(path, "metadata.name=iris") for path in (deployments, services)]
        fixture.block(model_service(), count=1)
        assert len(fixture.names) == 1
        fixture.block(model_service().with_generation(2), count=1)
        assert len(fixture.names) == 1
        fixture.names.discard(NamespacedName("ml", "iris"))
        assert len(fixture.names) == 0
        assert fixture.enqueued == []


async def test_no_watch_without_a_conflict() -> None:
    async with running() as fixture:
        fixture.block(model_service(), count=0)
        await settle()
        assert (len(fixture.names), fixture.server.listed) == (0, [])


async def test_watches_are_limited() -> None:
    """A namespace gets half of them; those of others remain possible."""
    async with running() as fixture:
        for number in range(MAX_WATCHES):
            fixture.block(model_service().named(f"a-{number}", namespace="bad"))
        assert len(fixture.names) == MAX_WATCHES_PER_NAMESPACE
        for number in range(MAX_WATCHES):
            fixture.block(model_service().named(f"a-{number}", namespace=f"ns-{number}"))
        assert len(fixture.names) == MAX_WATCHES
        fixture.names.discard(NamespacedName("bad", "a-0"))
        fixture.block(model_service().named("later", namespace="good"))
        assert len(fixture.names) == MAX_WATCHES


@pytest.mark.parametrize(
    ("kind", "metadata", "reported"),
    [
        ("DELETED", {}, True),
        ("MODIFIED", {"resourceVersion": "9", "annotations": {"example.com/note": "x"}}, False),
        ("MODIFIED", {"annotations": {ADOPT_BY_ANNOTATION: "iris"}}, True),
        ("MODIFIED", {"deletionTimestamp": "2026-01-01T00:00:00Z"}, True),
        ("ADDED", {"uid": "another"}, True),
        ("BOOKMARK", {}, False),
    ],
)
async def test_only_ownership_counts_as_a_change(kind: str, metadata: dict[str, Any], *, reported: bool) -> None:
    async with running() as fixture:
        fixture.block(model_service(), count=1)
        await settle()
        assert fixture.enqueued == []
        fixture.server.send(kind, **metadata)
        await settle()
        assert fixture.enqueued == ([NamespacedName("ml", "iris")] if reported else [])
        assert len(fixture.forgotten) == len(fixture.enqueued)


@pytest.mark.parametrize(
    "items", [[], [{"metadata": THEIRS | {"annotations": {ADOPT_BY_ANNOTATION: "iris"}}}]], ids=["deleted", "offered"]
)
async def test_change_before_the_watch_is_noticed(items: list[dict[str, Any]]) -> None:
    async with running() as fixture:
        fixture.server.items = items
        fixture.block(model_service(), count=1)
        await settle()
        assert fixture.enqueued == [NamespacedName("ml", "iris")]


async def test_bug_ends_one_watch_only(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as fixture:
        fixture.server.error = KeyError("items")
        fixture.block(model_service(), count=1)
        await settle()
        fixture.server.error = None
        fixture.block(model_service().named("other"), count=1)
        await settle()
        assert "the name is not watched" in caplog.text
        fixture.server.send("DELETED")
        await settle()
        assert fixture.enqueued == [NamespacedName("ml", "other")]
