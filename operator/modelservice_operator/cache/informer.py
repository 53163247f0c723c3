"""List and watch one kind into a cache that is never older than our own writes.

Guarantees: `synced` is set once a whole list is in; what was deleted while no watch was open is noticed at the next
list; an event older than what is cached, also than our own last write, changes nothing; no fault of the server ends
`run`, and none makes it hammer the server.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import orjson

from modelservice_operator.apimachinery.kinds import ResourceKind
from modelservice_operator.apimachinery.objects import NamespacedName, Object, key_of, version_of
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
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 30.0
_MOST_DOUBLINGS = 8
_TOMBSTONE_LIFE = 600.0


class Cached(NamedTuple):
    """An object as it is kept: its reduced body as JSON takes a fifth of what the same takes as dicts."""

    version: int
    text: bytes
    """Without what the cache knows anyway: the version, and the names of the kind."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Version at which an object went, so that a late event cannot bring it back."""

    version: int
    deleted_at: float


def map_to_same_name(body: Object) -> tuple[NamespacedName, ...]:
    """Whom an object concerns when nothing else is said: those of its own name."""
    return (key_of(body),)


class Informer:
    """The cache of one kind, in all namespaces or in one."""

    def __init__(
        self,
        kind: ResourceKind,
        connection: RestClient,
        settings: Settings,
        *,
        namespace: str = "",
        selector: str = "",
        optional: bool = False,
        transform: Callable[[Object], Object] = lambda body: body,
        map_func: Callable[[Object], tuple[NamespacedName, ...]] = map_to_same_name,
        list_lock: asyncio.Lock | None = None,
        read_delay: float = 0.0,
        on_change: Callable[[NamespacedName], None] = lambda _: None,
    ) -> None:
        """`reduce` keeps what is read of an object, which must be JSON; `concerns` tells from that whom it is about.

        `turn`: taken for each page of a list; where informers share it, only one page at a time is in memory.
        `linger`: pause in seconds between two reads of a watch (see `Connection.watch`).
        `changed` hears each key that a change concerns: that something came or went, or what is read of it changed.

        `optional`: the cluster may not serve the kind (no CRD, no right to read it), and may do so later.
        """
        self.kind = kind
        self.namespace = namespace
        self.synced = asyncio.Event()
        """The cache is whole."""
        self.initialized = asyncio.Event()
        """The cache is whole, or the kind is known not to be served."""
        self._optional = optional
        self.last_activity = time.monotonic()
        self._connection = connection
        self._settings = settings
        self._path = kind.path(namespace=namespace)
        self._type = {"apiVersion": kind.api_version, "kind": kind.kind}
        """What the items of a list lack, though objects of events have it."""
        self._params = {"labelSelector": selector} if selector else {}
        self._reduce = transform
        self._concerns = map_func
        self._linger = read_delay
        self._turn = list_lock or asyncio.Lock()
        self._changed = on_change
        self._cache: dict[NamespacedName, Cached] = {}
        self._index: dict[NamespacedName, set[NamespacedName]] | None = None if map_func is map_to_same_name else {}
        """Objects by the keys that they concern; only where these are others than their own."""
        self._tombstones: dict[NamespacedName, Tombstone] = {}
        self._version = ""
        """Version to watch from; empty when a list is due."""
        self._opened = 0.0
        """When the server accepted the last watch."""

    def __len__(self) -> int:
        return len(self._cache)

    def get(self, key: NamespacedName) -> Object | None:
        """The object as we know it, reduced: a copy."""
        return None if (cached := self._cache.get(key)) is None else self._body(cached)

    def by_index(self, key: NamespacedName) -> Iterator[Object]:
        """Copies of the objects that concern `key`."""
        keys = (key,) if self._index is None else sorted(self._index.get(key, ()))
        return (self._body(self._cache[found]) for found in keys if found in self._cache)

    def was_recently_deleted(self, key: NamespacedName) -> bool:
        """Whether there was an object that has gone, lately and as far as we know."""
        return key in self._tombstones and key not in self._cache

    def keys(self) -> Iterator[NamespacedName]:
        """Keys of all cached objects, from a copy."""
        return iter(tuple(self._cache))

    def upsert(self, body: Object, *, own: bool = False) -> None:
        """Take in an object of a list, of an event, or of the answer to a write of our `own`: of that nobody is told.

        Whoever wrote goes on with the answer, so there is nothing left to be looked at.
        """
        key, version = key_of(body), version_of(body)
        known, tombstone = self._cache.get(key), self._tombstones.get(key)
        if (known is not None and known.version >= version) or (tombstone and tombstone.version >= version):
            return
        reduced = self._reduce(body)
        self._cache[key] = cached = Cached(version, _text(reduced))
        if known is None or known.text != cached.text:
            before = () if known is None or self._index is None else self._concerns(self._body(known))
            after = self._concerns(reduced)
            self._update_index(key, before, after)
            if not own:
                self._notify(before, after)

    def delete(self, body: Object) -> None:
        """Take in that an object went: its last state, with the version of the deletion."""
        key, version = key_of(body), version_of(body)
        known = self._cache.get(key)
        if known is not None and known.version > version:
            return
        self._add_tombstone(key, version)
        if known is None:
            self._notify((), self._concerns(self._reduce(body)))
        else:
            self._remove(key)

    def _remove(self, key: NamespacedName) -> None:
        before = self._concerns(self._body(self._cache.pop(key)))
        self._update_index(key, before, ())
        self._notify(before, ())

    def _update_index(
        self, key: NamespacedName, before: tuple[NamespacedName, ...], after: tuple[NamespacedName, ...]
    ) -> None:
        """Have the object found by those whom it concerns, and by no others."""
        if self._index is None:
            return
        for one in after:
            self._index.setdefault(one, set()).add(key)
        for one in before:
            if one not in after:
                self._index[one].discard(key)
                if not self._index[one]:
                    del self._index[one]

    def _notify(self, before: tuple[NamespacedName, ...], after: tuple[NamespacedName, ...]) -> None:
        """Tell of a change to all whom the object concerned or concerns."""
        for one in dict.fromkeys((*before, *after)):
            self._changed(one)

    def _body(self, cached: Cached) -> Object:
        body: Object = self._type | orjson.loads(cached.text)
        body["metadata"]["resourceVersion"] = str(cached.version)
        return body

    async def run(self) -> None:
        """List and watch for ever."""
        failures = 0
        while True:
            started = time.monotonic()
            try:
                if not self._version:
                    await self._list()
                await self._watch()
                failures = 0
                # A server (or a proxy) that ends every watch at once must not be asked without a pause.
                if time.monotonic() - started < MIN_WATCH_SECONDS:
                    await asyncio.sleep(_backoff(1))
            except OperatorError as error:
                if isinstance(error, ResourceExpiredError | NotFoundError):
                    self._version = ""
                if self._optional and isinstance(error, NotFoundError | ForbiddenError):
                    self._clear()
                    await asyncio.sleep(self._settings.discovery_interval)
                    continue
                failures = 1 if self._made_progress(started) else failures + 1
                self._report(error, failures)
                await asyncio.sleep(max(_backoff(failures), _retry_after(error)))

    def _made_progress(self, started: float) -> bool:
        """Whether a watch since `started` told something, or was open for a while: its end is no repetition then.

        Pauses would otherwise grow while a server breaks the watches now and then, and the cache age with them.
        """
        lived = self.last_activity > self._opened or time.monotonic() - self._opened > MIN_WATCH_SECONDS
        return self._opened >= started and lived

    async def _list(self) -> None:
        """Read everything, page by page."""
        seen: set[NamespacedName] = set()
        params = self._params | {"limit": str(self._settings.list_page_size)}
        while True:
            async with self._turn:
                metadata = await self._list_page(params, seen)
            if not metadata.get("continue"):
                break
            params = params | {"continue": metadata["continue"]}
        self._version = str(metadata["resourceVersion"])
        self._remove_missing(seen, int(self._version))
        self.last_activity = time.monotonic()
        self.synced.set()
        self.initialized.set()

    async def _list_page(self, params: Mapping[str, str], seen: set[NamespacedName]) -> Object:
        page = await self._connection.request("GET", self._path, params=params)
        for item in page.get("items") or ():
            self.upsert(item)
            seen.add(key_of(item))
        metadata: Object = page["metadata"]
        return metadata

    def _clear(self) -> None:
        """Take in that the kind is not served: its objects are gone with it."""
        self._version = ""
        self.synced.clear()
        self.initialized.set()
        for key in self.keys():
            self._remove(key)

    def _remove_missing(self, seen: set[NamespacedName], version: int) -> None:
        """Notice deletions that no watch told us. What is newer than the list is a write of our own, and stays."""
        for key in [key for key, cached in self._cache.items() if key not in seen and cached.version <= version]:
            self._add_tombstone(key, version)
            self._remove(key)

    async def _watch(self) -> None:
        """Follow one watch until the server ends it."""
        params = self._params | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(random.randint(*self._settings.watch_timeout)),  # noqa: S311 - spreads load
        }
        async with self._connection.watch(self._path, params, read_delay=self._linger) as events:
            self._opened = time.monotonic()
            async for event in events:
                self._handle_event(event["type"], event["object"])
                self.last_activity = time.monotonic()

    def _handle_event(self, kind: str, body: Object) -> None:
        match kind:
            case "ERROR":
                # 410 comes as an event too; whatever it is, the watch cannot be continued from here.
                self._version = ""
                raise error_from_status(status_from_object(int(body.get("code", 500)), body))
            case "DELETED":
                self.delete(body)
            case "ADDED" | "MODIFIED":
                self.upsert(body)
        self._version = str(body["metadata"]["resourceVersion"])

    def _add_tombstone(self, key: NamespacedName, version: int) -> None:
        now = time.monotonic()
        while self._tombstones:  # oldest first: dicts keep the order of insertion
            oldest = next(iter(self._tombstones))
            if now - self._tombstones[oldest].deleted_at < _TOMBSTONE_LIFE:
                break
            del self._tombstones[oldest]
        self._tombstones.pop(key, None)
        self._tombstones[key] = Tombstone(version, now)

    def _report(self, error: OperatorError, failures: int) -> None:
        # The first failure is everyday (a server that restarts); the log speaks up when it stays.
        level = logging.INFO if failures <= 1 else logging.WARNING
        logger.log(level, "Watching %s failed (%d in a row): %s", self.kind.plural, failures, error)


def _text(body: Object) -> bytes:
    metadata = {name: value for name, value in body["metadata"].items() if name != "resourceVersion"}
    kept = {name: value for name, value in body.items() if name not in {"apiVersion", "kind"}}
    # A copy: what orjson returns keeps the buffer that it was written into, 8 KiB for any of these (orjson 3.13).
    return memoryview(orjson.dumps(kept | {"metadata": metadata})).tobytes()


def _backoff(failures: int) -> float:
    longest: float = min(_FIRST_PAUSE * 2 ** min(failures, _MOST_DOUBLINGS), _LONGEST_PAUSE)
    return longest * (0.5 + random.random() / 2)  # noqa: S311 - spreads retries


def _retry_after(error: OperatorError) -> float:
    """Seconds that the server asked to wait (RFC 9110, Retry-After), within reason."""
    return min(error.retry_after or 0.0, _LONGEST_PAUSE) if isinstance(error, TransientError) else 0.0


class InformerSet:
    """All the caches: one informer for each kind, or for each kind and served namespace."""

    def __init__(self, informers: Mapping[ResourceKind, Sequence[Informer]]) -> None:
        self._informers = informers

    def get(self, kind: ResourceKind, key: NamespacedName) -> Object | None:
        """The cached object, reduced: a copy; None when it does not exist as far as we know."""
        return next((found for informer in self._informers[kind] if (found := informer.get(key)) is not None), None)

    def by_index(self, kind: ResourceKind, key: NamespacedName) -> tuple[Object, ...]:
        """Copies of the cached objects of a kind that concern `key`, in the order of their names."""
        return tuple(chain.from_iterable(informer.by_index(key) for informer in self._informers[kind]))

    def was_recently_deleted(self, kind: ResourceKind, key: NamespacedName) -> bool:
        """Whether there was an object that has gone, lately and as far as we know."""
        return any(informer.was_recently_deleted(key) for informer in self._informers[kind])

    def keys(self, kind: ResourceKind) -> Iterator[NamespacedName]:
        """Keys of all cached objects of a kind."""
        return chain.from_iterable(informer.keys() for informer in self._informers[kind])

    def upsert(self, kind: ResourceKind, body: Object) -> None:
        """Take in the answer to a write of our own."""
        self._of(kind, body).upsert(body, own=True)

    def delete(self, kind: ResourceKind, body: Object) -> None:
        """Take in a deletion of our own."""
        self._of(kind, body).delete(body)

    def all(self) -> Iterator[Informer]:
        """Each informer."""
        return chain.from_iterable(self._informers.values())

    def is_served(self, kind: ResourceKind) -> bool:
        """Whether the cluster serves this kind, as far as we know: then its cache is whole."""
        return all(informer.synced.is_set() for informer in self._informers[kind])

    async def wait_for_cache_sync(self) -> None:
        """Wait until every cache is whole: nothing may be decided on half a picture."""
        for informer in self.all():
            await informer.initialized.wait()

    def _of(self, kind: ResourceKind, body: Object) -> Informer:
        namespace = key_of(body)[0]
        return next(informer for informer in self._informers[kind] if informer.namespace in {"", namespace})
