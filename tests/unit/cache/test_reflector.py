"""Conclusions of a reflector from refusals, outages and versions that decrease, with a scripted source."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from modelservice_operator.apimachinery.objects import NamespacedName, Object
from modelservice_operator.cache.reflector import REFUSAL_GRACE_SECONDS, ListWatch, Reflector, Refusal, Tolerance
from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import (
    ForbiddenError,
    NotFoundError,
    OperatorError,
    ServerOverloadedError,
    UnauthorizedError,
    UnreachableError,
)
from modelservice_operator.settings import Settings
from tests.support.clock import ManualClock

FORBIDDEN, MISSING, AWAY = ForbiddenError("no"), NotFoundError("no"), UnreachableError("away")
BUILT_IN = Tolerance()
STEP = 2.0
"""Seconds that pass with each request."""


class Source(ListWatch):
    """Answers requests in the order of a script: a version for a list, None for a watch that ends, or an error."""

    def __init__(self, clock: ManualClock, *script: int | Exception | None) -> None:
        settings = Settings()
        super().__init__(
            RestClient(lambda: Credentials("http://127.0.0.1:9", None, None), settings), settings, path="/"
        )
        self._clock = clock
        self._script = list(script)
        self.verbs: list[str] = []
        self.exhausted = asyncio.Event()

    async def _next(self, verb: str) -> int | None:
        if not self._script:
            self.exhausted.set()
            await asyncio.Event().wait()
        self.verbs.append(verb)
        self._clock.seconds += STEP
        answer = self._script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def read_version(self) -> int:
        return await self._next("version") or 0

    async def list_page(self, continue_token: str) -> Object:
        assert not continue_token
        return {"metadata": {"resourceVersion": str(await self._next("list"))}, "items": []}

    @asynccontextmanager
    async def watch(self, version: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        await self._next(f"watch {version}")
        yield _nothing()


async def _nothing() -> AsyncIterator[dict[str, Any]]:
    for event in list[dict[str, Any]]():
        yield event


class Handler:
    """Records what a reflector reports."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def upsert(self, body: Object) -> None:
        self.calls.append(f"upsert {body['metadata']['name']}")

    def delete(self, body: Object) -> None:
        self.calls.append(f"delete {body['metadata']['name']}")

    def remove_missing(self, listed: set[NamespacedName], version: int) -> None:
        self.calls.append(f"list {version}{listed or ''}")

    def clear(self) -> None:
        self.calls.append("clear")

    def become_available(self) -> None:
        self.calls.append("available")

    def rewind(self) -> None:
        self.calls.append("rewind")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delays cost no time; the clock moves with the requests."""

    async def sleep(_: float) -> None:
        return

    monkeypatch.setattr(asyncio, "sleep", sleep)


async def run(
    *script: int | OperatorError | None, tolerance: Tolerance = BUILT_IN
) -> tuple[Reflector, Source, Handler]:
    """Run a reflector until its source has nothing more to answer."""
    clock, handler = ManualClock(100), Handler()
    source = Source(clock, *script)
    reflector = Reflector(source, handler, Settings(), tolerance, lock=asyncio.Lock(), clock=clock)
    task = asyncio.create_task(reflector.run("things"))
    async with asyncio.timeout(5):
        await source.exhausted.wait()
    task.cancel()
    await asyncio.wait([task])
    return reflector, source, handler


GRACE = int(REFUSAL_GRACE_SECONDS / STEP) + 2
"""Refusals after which a resource is certainly not available."""


async def test_refusal_is_believed_only_after_a_while() -> None:
    reflector, _, handler = await run(FORBIDDEN, FORBIDDEN)
    assert not reflector.is_initialized
    reflector, _, handler = await run(*[FORBIDDEN] * GRACE)
    assert reflector.is_initialized
    assert not reflector.has_synced.is_set()
    assert reflector.refused == Refusal("list", is_missing=False)
    assert "clear" in handler.calls


async def test_missing_kind_of_a_crd_is_believed_immediately() -> None:
    reflector, _, _ = await run(MISSING, tolerance=Tolerance(optional=True))
    assert reflector.is_initialized
    assert reflector.refused == Refusal("list", is_missing=True)


@pytest.mark.parametrize("refusal", [FORBIDDEN, MISSING])
async def test_required_resource_is_waited_for(refusal: OperatorError) -> None:
    reflector, _, handler = await run(*[refusal] * GRACE, tolerance=Tolerance(required=True))
    assert not reflector.is_initialized
    assert reflector.refused is not None
    assert handler.calls == []
    reflector, _, handler = await run(7, None, *[refusal] * GRACE, tolerance=Tolerance(required=True))
    assert reflector.has_synced.is_set(), "objects are kept"
    assert "clear" not in handler.calls


async def test_resource_that_can_only_be_listed_is_not_listed_again() -> None:
    """Otherwise it would be available and unavailable in turns."""
    reflector, source, handler = await run(7, *[FORBIDDEN] * (GRACE + 5))
    assert source.verbs == ["list", *["watch 7"] * (GRACE + 5)]
    assert reflector.refused == Refusal("watch", is_missing=False)
    assert not reflector.has_synced.is_set()
    assert "available" not in handler.calls


async def test_granted_watch_lists_again_and_reports_it() -> None:
    reflector, source, handler = await run(7, *[FORBIDDEN] * GRACE, None, 9, None)
    assert source.verbs[-3:] == ["watch 7", "list", "watch 9"]
    assert handler.calls[-2:] == ["list 9", "available"]
    assert reflector.refused is None
    assert reflector.has_synced.is_set()


async def test_short_refusal_changes_nothing() -> None:
    """An API server that starts has not read the roles yet."""
    reflector, _, handler = await run(7, FORBIDDEN, FORBIDDEN, None, FORBIDDEN, FORBIDDEN, None)
    assert handler.calls == ["list 7"]
    assert reflector.refused is None


@pytest.mark.parametrize("error", [AWAY, ServerOverloadedError("busy")])
async def test_history_is_checked_after_an_outage(error: OperatorError) -> None:
    _, source, handler = await run(70, None, error, 70, None, None)
    assert source.verbs == ["list", "watch 70", "watch 70", "version", "watch 70", "watch 70"]
    assert handler.calls == ["list 70"]


async def test_older_history_causes_a_relist() -> None:
    """A watch from version 70 would skip everything that the restored server does until then."""
    _, source, handler = await run(70, None, AWAY, 30, 31, None)
    assert source.verbs == ["list", "watch 70", "watch 70", "version", "list", "watch 31"]
    assert handler.calls == ["list 70", "rewind", "list 31"]


async def test_older_list_replaces_what_is_stored() -> None:
    _, _, handler = await run(70, None, MISSING, 31, None, tolerance=Tolerance(required=True))
    assert handler.calls == ["list 70", "rewind", "list 31"]


@pytest.mark.parametrize(
    ("error", "is_contact"),
    [
        (FORBIDDEN, True),
        (MISSING, True),
        (AWAY, False),
        (ServerOverloadedError("busy"), False),
        (UnauthorizedError("no"), False),
    ],
)
async def test_answers_count_as_contact(error: OperatorError, *, is_contact: bool) -> None:
    reflector, _, _ = await run(error)
    assert reflector.last_activity == 100 + (STEP if is_contact else 0)


async def test_opened_watch_counts_as_contact() -> None:
    """A watch of a kind that does not change may send nothing until its end."""
    reflector, _, _ = await run(7, None, None)
    assert reflector.last_activity == 100 + 3 * STEP


async def test_run_after_a_bug_begins_with_a_list() -> None:
    """A watch from the same version would send the event again that a handler cannot handle."""
    clock = ManualClock()
    source, handler = Source(clock, 5, KeyError("metadata"), 6), Handler()
    reflector = Reflector(source, handler, Settings(), BUILT_IN, lock=asyncio.Lock(), clock=clock)
    with pytest.raises(KeyError):
        await reflector.run("things")
    again = asyncio.create_task(reflector.run("things"))
    await source.exhausted.wait()
    again.cancel()
    await asyncio.wait([again])
    assert source.verbs == ["list", "watch 5", "list"]
    assert handler.calls[-1] == "list 6"
