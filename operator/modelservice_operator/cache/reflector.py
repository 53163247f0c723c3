"""Lists and watches one resource, and relists and backs off after failures (client-go, tools/cache.Reflector)."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from modelservice_operator.apimachinery.clock import Clock
from modelservice_operator.apimachinery.objects import NamespacedName, Object, key_of
from modelservice_operator.apimachinery.wait import Backoff
from modelservice_operator.client.rest import RestClient
from modelservice_operator.client.status_errors import error_from_status, status_from_object
from modelservice_operator.errors import (
    ForbiddenError,
    InternalServerError,
    NotFoundError,
    OperatorError,
    ResourceExpiredError,
    ServerOverloadedError,
    TransientError,
    UnauthorizedError,
    UnreachableError,
)
from modelservice_operator.settings import Settings

logger = logging.getLogger(__name__)

MIN_WATCH_SECONDS = 1.0
"""A watch that ends sooner counts as a failure: a server that closes every watch must not be called in a loop."""
REFUSAL_GRACE_SECONDS = 5.0
"""Time for which a 403 or 404 may be an API server that starts: it has not read the roles or CRDs yet."""
_BACKOFF = Backoff(base=0.2, maximum=30.0, jitter=0.25)


class EventHandler(Protocol):
    """Receives what a reflector reads."""

    def upsert(self, body: Object) -> None:
        """Handle an object of a list, or of an event ADDED or MODIFIED."""

    def delete(self, body: Object) -> None:
        """Handle an event DELETED."""

    def remove_missing(self, listed: set[NamespacedName], version: int) -> None:
        """Handle the end of a list: objects that are not in it do not exist."""

    def clear(self) -> None:
        """Handle that the kind is not available."""

    def become_available(self) -> None:
        """Handle the end of the first list of a kind that was not available."""

    def rewind(self) -> None:
        """Handle that the versions of what follows are lower than those before."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Reaction to an API server that refuses to list or watch a resource (403), or does not have it (404)."""

    optional: bool = False
    """A 404 is normal and believed immediately, since the CRD may be missing."""
    required: bool = False
    """The resource is waited for, and never given up."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a resource is not available."""

    verb: str
    """The request that was refused: list or watch."""
    is_missing: bool
    """The resource does not exist (404); else it must not be read (403)."""


class WatchEnd(StrEnum):
    """Why a list or watch ended."""

    TIMEOUT = "timeout"
    """The API server ended the watch after its duration, or it became silent."""
    UNREACHABLE = "unreachable"
    EXPIRED = "expired"
    OVERLOADED = "overloaded"
    REFUSED = "refused"
    """401, 403 or 404."""
    ERROR = "error"


class ListWatch:
    """The list and watch requests of one resource (client-go, tools/cache.ListWatch)."""

    def __init__(
        self,
        client: RestClient,
        settings: Settings,
        *,
        path: str,
        selector: str = "",
        field_selector: str = "",
        read_delay: float = 0.0,
    ) -> None:
        """`selector` is of labels; `read_delay`: see `RestClient.watch`."""
        self._client = client
        self._settings = settings
        self._path = path
        selectors = {"labelSelector": selector, "fieldSelector": field_selector}
        self._params = {name: value for name, value in selectors.items() if value}
        self._read_delay = read_delay

    async def read_version(self) -> int:
        """Return the version of the newest state, by a list of one object."""
        page = await self._client.request("GET", self._path, params=self._params | {"limit": "1"})
        return int(page["metadata"]["resourceVersion"])

    async def list_page(self, continue_token: str) -> Object:
        """Return one page of a list; an empty token begins a new list."""
        params = self._params | {"limit": str(self._settings.list_page_size)}
        params |= {"continue": continue_token} if continue_token else {}
        return await self._client.request("GET", self._path, params=params)

    def watch(self, version: str) -> AbstractAsyncContextManager[AsyncIterator[dict[str, Any]]]:
        """Open a watch of what happens after `version`."""
        params = self._params | {"allowWatchBookmarks": "true", "resourceVersion": version}
        seconds = random.randint(*self._settings.watch_timeout)  # noqa: S311 - spreads load
        return self._client.watch(self._path, params, seconds=seconds, read_delay=self._read_delay)


class Reflector:
    """Keeps a handler up to date with one resource, until cancelled.

    Guarantees: `has_synced` is set after a whole list; a deletion that no watch reported is noticed at the next list;
    no failure of the server ends `run`, and none makes it send requests without a pause.
    """

    def __init__(
        self,
        source: ListWatch,
        handler: EventHandler,
        settings: Settings,
        tolerance: Tolerance,
        *,
        lock: asyncio.Lock,
        clock: Clock,
    ) -> None:
        """`lock` is held for each page of a list: reflectors that share it have only one page at a time in memory."""
        self.has_synced = asyncio.Event()
        """The handler has received everything, and the resource is still available."""
        self.refused: Refusal | None = None
        """Why the resource is not available; None while it is, or while that is not certain."""
        self.last_activity = clock.monotonic()
        """Time of the last sign of life from the server, by the monotonic clock."""
        self.ends = Counter[WatchEnd]()
        """Ends of watches and failures of lists by their cause, which are read at a scrape."""
        self._initialized = asyncio.Event()
        """The handler has received everything, or the resource is known not to be available."""
        self._source = source
        self._handler = handler
        self._settings = settings
        self._tolerance = tolerance
        self._list_lock = lock
        self._clock = clock
        self._version = ""
        """Version to watch from; empty when a list is due."""
        self._highest_version = 0
        """Highest version that the server has sent. A lower one in a list means that it was restored from a backup."""
        self._verb = ""
        """Verb of the current request."""
        self._resource = ""
        """Name of the resource in log lines."""
        self._refused_since: float | None = None
        """Time of the first refusal since the last success."""
        self._may_have_rewound = False
        """The server was away: it may have come back with an older state."""
        self._opened_at = 0.0
        """Time when the server accepted the last watch."""
        self._received_at = 0.0
        """Time of the last event."""

    @property
    def is_initialized(self) -> bool:
        """Return True if the handler has once received everything, or the resource is known not to be available."""
        return self._initialized.is_set()

    def mark_initialized(self) -> None:
        """Set `is_initialized`."""
        self._initialized.set()

    async def wait_initialized(self) -> None:
        """Wait until `is_initialized`. A required resource must have been received."""
        await self._initialized.wait()

    async def run(self, resource: str) -> None:
        """List and watch until cancelled. `resource` names it in log lines."""
        failures = 0
        self._resource = resource
        while True:
            started = self._clock.monotonic()
            try:
                await self._list_and_watch()
                self.ends[WatchEnd.TIMEOUT] += 1
                failures = 0
                if self._clock.monotonic() - started < MIN_WATCH_SECONDS:
                    await asyncio.sleep(_BACKOFF.delay(1))
            except OperatorError as error:
                self.ends[_end_of(error)] += 1
                self._note_failure(error, started)
                if self._is_given_up(error):
                    await asyncio.sleep(self._settings.discovery_interval)
                    continue
                failures = 1 if self._made_progress(started) else failures + 1
                # A single failure is normal (a server that restarts); repeated ones need attention.
                level = logging.INFO if failures <= 1 else logging.WARNING
                logger.log(level, "List/watch of %s failed (attempt %d): %s", resource, failures, error)
                await asyncio.sleep(max(_BACKOFF.delay(failures), _retry_after(error)))
            except Exception:
                # A bug. The supervisor calls again, and a watch from here would only send the same event again.
                self._version = ""
                raise

    async def _list_and_watch(self) -> None:
        if self._version and self._may_have_rewound:
            await self._check_history()
        if not self._version:
            await self._list()
        await self._watch()

    def _note_failure(self, error: OperatorError, started: float) -> None:
        """Remember what an error says about the server. `started`: time of the first request of this attempt."""
        if isinstance(error, ResourceExpiredError | NotFoundError):
            self._version = ""
        if isinstance(error, UnreachableError | ServerOverloadedError | InternalServerError):
            self._may_have_rewound = self._may_have_rewound or self._opened_at <= started
        elif not isinstance(error, UnauthorizedError):
            self.last_activity = self._clock.monotonic()

    def _is_given_up(self, error: OperatorError) -> bool:
        """Return True if the resource is not available for now, as far as can be known."""
        if not isinstance(error, NotFoundError | ForbiddenError):
            return False
        now, is_missing = self._clock.monotonic(), isinstance(error, NotFoundError)
        if self._refused_since is None:
            self._refused_since = now
        is_certain = now - self._refused_since >= REFUSAL_GRACE_SECONDS or (is_missing and self._tolerance.optional)
        if is_certain:
            refusal = Refusal(self._verb, is_missing)
            if is_missing and self._tolerance.required and self.refused != refusal:
                logger.error("%s are not served: install their CRD (crds/); the operator waits for it", self._resource)
            self.refused = refusal
        if not is_certain or self._tolerance.required:
            return False
        self._give_up()
        return True

    def _give_up(self) -> None:
        self.has_synced.clear()
        self.mark_initialized()
        self._handler.clear()

    def _made_progress(self, started: float) -> bool:
        """Return True if a watch opened since `started` sent something or stayed open for a while.

        Its end is then not a repeated failure: otherwise the delays, and the age of the store, would grow while a
        server breaks watches now and then.
        """
        now = self._clock.monotonic()
        was_useful = self._received_at > self._opened_at or now - self._opened_at > MIN_WATCH_SECONDS
        return self._opened_at >= started and was_useful

    async def _check_history(self) -> None:
        """List again if the server's newest version is older than what was read, as after a restore of etcd.

        A watch from a version that the server has not reached yet would silently skip everything up to it.
        """
        self._verb = "list"
        if await self._source.read_version() < self._highest_version:
            self._version = ""
        self._may_have_rewound = False

    async def _list(self) -> None:
        self._verb = "list"
        listed: set[NamespacedName] = set()
        metadata: Object = {}
        while not metadata or metadata.get("continue"):
            async with self._list_lock:
                metadata = await self._list_page(metadata.get("continue", ""), listed)
        self._version = str(metadata["resourceVersion"])
        self._highest_version = int(self._version)
        self._handler.remove_missing(listed, self._highest_version)
        self._may_have_rewound = False
        self._finish_list()

    def _finish_list(self) -> None:
        was_given_up = self._initialized.is_set() and not self.has_synced.is_set()
        self.refused = self._refused_since = None
        self.last_activity = self._clock.monotonic()
        self.has_synced.set()
        self.mark_initialized()
        if was_given_up:
            self._handler.become_available()

    async def _list_page(self, continue_token: str, listed: set[NamespacedName]) -> Object:
        """Handle one page; return the metadata of the list."""
        page = await self._source.list_page(continue_token)
        metadata: Object = page["metadata"]
        if int(metadata["resourceVersion"]) < self._highest_version:
            # Lists without a version are never older than what was sent before (KEP-2340).
            self._handler.rewind()
            self._highest_version = 0
        for item in page.get("items") or ():
            self._handler.upsert(item)
            listed.add(key_of(item))
        return metadata

    async def _watch(self) -> None:
        """Handle the events of one watch until the server ends it."""
        self._verb = "watch"
        async with self._source.watch(self._version) as events:
            self._opened_at = self.last_activity = self._clock.monotonic()
            if not self.has_synced.is_set():  # the store was cleared when the watch was refused
                self._version = ""
                return
            self.refused = self._refused_since = None
            async for event in events:
                self._handle_event(event["type"], event["object"])
                self._received_at = self.last_activity = self._clock.monotonic()

    def _handle_event(self, kind: str, body: Object) -> None:
        match kind:
            case "ERROR":
                # 410 is sent as an event too. No watch can be continued from here.
                self._version = ""
                raise error_from_status(status_from_object(int(body.get("code", 500)), body))
            case "DELETED":
                self._handler.delete(body)
            case "ADDED" | "MODIFIED":
                self._handler.upsert(body)
        self._version = str(body["metadata"]["resourceVersion"])
        self._highest_version = max(self._highest_version, int(self._version))


def _end_of(error: OperatorError) -> WatchEnd:
    match error:
        case UnreachableError():
            return WatchEnd.UNREACHABLE
        case ResourceExpiredError():
            return WatchEnd.EXPIRED
        case ServerOverloadedError():
            return WatchEnd.OVERLOADED
        case UnauthorizedError() | ForbiddenError() | NotFoundError():
            return WatchEnd.REFUSED
        case _:
            return WatchEnd.ERROR


def _retry_after(error: OperatorError) -> float:
    """Return the seconds that the server asked to wait (RFC 9110, Retry-After), within reason."""
    return min(error.retry_after or 0.0, _BACKOFF.maximum) if isinstance(error, TransientError) else 0.0
