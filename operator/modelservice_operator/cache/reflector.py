"""Lists and watches one resource, and relists and backs off after failures (client-go, tools/cache.Reflector)."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from modelservice_operator.apimachinery.clock import Clock
from modelservice_operator.apimachinery.objects import NamespacedName, Object, key_of
from modelservice_operator.apimachinery.wait import Backoff
from modelservice_operator.client.rest import RestClient
from modelservice_operator.client.status_errors import error_from_status, status_from_object
from modelservice_operator.errors import (
    ForbiddenError,
    NotFoundError,
    OperatorError,
    ResourceExpiredError,
    TransientError,
)
from modelservice_operator.settings import Settings

logger = logging.getLogger(__name__)

MIN_WATCH_SECONDS = 1.0
"""A watch that ends sooner counts as a failure: a server that closes every watch must not be called in a loop."""
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
        """Handle that the kind is not served."""


class ListWatch:
    """The list and watch requests of one resource (client-go, tools/cache.ListWatch)."""

    def __init__(
        self, client: RestClient, settings: Settings, *, path: str, selector: str = "", read_delay: float = 0.0
    ) -> None:
        """`read_delay`: see `RestClient.watch`."""
        self._client = client
        self._settings = settings
        self._path = path
        self._params = {"labelSelector": selector} if selector else {}
        self._read_delay = read_delay

    async def list_page(self, continue_token: str) -> Object:
        """Return one page of a list; an empty token begins a new list."""
        params = self._params | {"limit": str(self._settings.list_page_size)}
        params |= {"continue": continue_token} if continue_token else {}
        return await self._client.request("GET", self._path, params=params)

    def watch(self, version: str) -> AbstractAsyncContextManager[AsyncIterator[dict[str, Any]]]:
        """Open a watch of what happens after `version`."""
        params = self._params | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(random.randint(*self._settings.watch_timeout)),  # noqa: S311 - spreads load
        }
        return self._client.watch(self._path, params, read_delay=self._read_delay)


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
        *,
        optional: bool,
        lock: asyncio.Lock,
        clock: Clock,
    ) -> None:
        """`optional`: the cluster may not serve the kind (no CRD, or no right to read it), and may do so later.

        `lock` is held for each page of a list: reflectors that share it have only one page at a time in memory.
        """
        self.has_synced = asyncio.Event()
        """The handler has received everything."""
        self.initialized = asyncio.Event()
        """The handler has received everything, or the kind is known not to be served."""
        self.last_activity = clock.monotonic()
        """Time of the last data from the server, by the monotonic clock."""
        self._source = source
        self._handler = handler
        self._settings = settings
        self._optional = optional
        self._list_lock = lock
        self._clock = clock
        self._version = ""
        """Version to watch from; empty when a list is due."""
        self._opened_at = 0.0
        """Time when the server accepted the last watch."""

    async def run(self, resource: str) -> None:
        """List and watch until cancelled. `resource` names it in log lines."""
        failures = 0
        while True:
            started = self._clock.monotonic()
            try:
                if not self._version:
                    await self._list()
                await self._watch()
                failures = 0
                if self._clock.monotonic() - started < MIN_WATCH_SECONDS:
                    await asyncio.sleep(_BACKOFF.delay(1))
            except OperatorError as error:
                if isinstance(error, ResourceExpiredError | NotFoundError):
                    self._version = ""
                if self._optional and isinstance(error, NotFoundError | ForbiddenError):
                    self._clear()
                    await asyncio.sleep(self._settings.discovery_interval)
                    continue
                failures = 1 if self._made_progress(started) else failures + 1
                # A single failure is normal (a server that restarts); repeated ones need attention.
                level = logging.INFO if failures <= 1 else logging.WARNING
                logger.log(level, "List/watch of %s failed (attempt %d): %s", resource, failures, error)
                await asyncio.sleep(max(_BACKOFF.delay(failures), _retry_after(error)))

    def _made_progress(self, started: float) -> bool:
        """Return True if a watch opened since `started` sent something or stayed open for a while.

        Its end is then not a repeated failure: otherwise the delays, and the age of the store, would grow while a
        server breaks watches now and then.
        """
        now = self._clock.monotonic()
        was_useful = self.last_activity > self._opened_at or now - self._opened_at > MIN_WATCH_SECONDS
        return self._opened_at >= started and was_useful

    async def _list(self) -> None:
        listed: set[NamespacedName] = set()
        metadata: Object = {}
        while not metadata or metadata.get("continue"):
            async with self._list_lock:
                metadata = await self._list_page(metadata.get("continue", ""), listed)
        self._version = str(metadata["resourceVersion"])
        self._handler.remove_missing(listed, int(self._version))
        self.last_activity = self._clock.monotonic()
        self.has_synced.set()
        self.initialized.set()

    async def _list_page(self, continue_token: str, listed: set[NamespacedName]) -> Object:
        """Handle one page; return the metadata of the list."""
        page = await self._source.list_page(continue_token)
        for item in page.get("items") or ():
            self._handler.upsert(item)
            listed.add(key_of(item))
        metadata: Object = page["metadata"]
        return metadata

    def _clear(self) -> None:
        self._version = ""
        self.has_synced.clear()
        self.initialized.set()
        self._handler.clear()

    async def _watch(self) -> None:
        """Handle the events of one watch until the server ends it."""
        async with self._source.watch(self._version) as events:
            self._opened_at = self._clock.monotonic()
            async for event in events:
                self._handle_event(event["type"], event["object"])
                self.last_activity = self._clock.monotonic()

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


def _retry_after(error: OperatorError) -> float:
    """Return the seconds that the server asked to wait (RFC 9110, Retry-After), within reason."""
    return min(error.retry_after or 0.0, _BACKOFF.maximum) if isinstance(error, TransientError) else 0.0
