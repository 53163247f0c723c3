"""Objects of one kind as the API server last reported them, found by name and by the keys that they map to."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import NamedTuple

import orjson
from cachetools import TTLCache

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.kinds import ResourceKind
from modelservice_operator.apimachinery.objects import NamespacedName, Object, key_of, version_of

TransformFunc = Callable[[Object], Object]
"""Returns what is stored of an object (client-go, cache.TransformFunc). Must be idempotent; the result must be JSON."""
MapFunc = Callable[[Object], tuple[NamespacedName, ...]]
"""Returns the keys that an object affects (controller-runtime, handler.MapFunc). Reads transformed objects."""

SummaryFunc = Callable[[Object], Hashable]
"""Returns what is counted of a transformed object. Equal summaries should be one value, so that they take no memory."""

TOMBSTONE_TTL = 600.0
"""Seconds for which a deletion is remembered."""


class StoredObject(NamedTuple):
    """One stored object. JSON takes a fifth of the memory that the same takes as dicts."""

    version: int
    text: bytes
    """The transformed body, without what the store knows anyway: its version, and the names of its kind."""
    summary: Hashable


def summarize_nothing(_: Object) -> None:
    """Summarize an object of a kind of which nothing but the number is counted."""


def map_to_same_name(body: Object) -> tuple[NamespacedName, ...]:
    """Map an object to its own key."""
    return (key_of(body),)


class Store:
    """Transformed objects, an index by the keys that they map to, and tombstones of deleted objects.

    An older version never replaces a newer one, so that the response to a write and the events of a watch can arrive
    in any order. Every method that changes something returns the keys that are affected, each once.
    """

    def __init__(
        self,
        kind: ResourceKind,
        *,
        transform: TransformFunc = lambda body: body,
        map_func: MapFunc = map_to_same_name,
        summary_func: SummaryFunc = summarize_nothing,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._type_meta = {"apiVersion": kind.api_version, "kind": kind.kind}
        """The items of a list lack it, although the objects of events have it."""
        self.transform = transform
        self._map_func = map_func
        self._summary_func = summary_func
        self._objects: dict[NamespacedName, StoredObject] = {}
        self._index: dict[NamespacedName, set[NamespacedName]] | None = None if map_func is map_to_same_name else {}
        """Keys of objects by the keys that they map to; only where the two differ."""
        self._tombstones: TTLCache[NamespacedName, int] = TTLCache(math.inf, TOMBSTONE_TTL, timer=clock.monotonic)
        """Versions at which objects were deleted, so that a late event does not restore them."""
        self._outdated: set[NamespacedName] = set()
        """Objects whose versions cannot be compared with those of the server (see `rewind`)."""
        self._last_decoded: tuple[StoredObject | None, Object] = (None, {})
        """A reconcile reads an object several times, one after the other."""

    def __len__(self) -> int:
        return len(self._objects)

    def count_summaries(self) -> Counter[Hashable]:
        """Return the number of objects with each summary, without decoding any."""
        return Counter(stored.summary for stored in self._objects.values())

    def get(self, key: NamespacedName) -> Object | None:
        """Return the transformed object; None when it does not exist as far as is known. It must not be modified."""
        return None if (stored := self._objects.get(key)) is None else self._decode(stored)

    def by_index(self, key: NamespacedName) -> Iterator[Object]:
        """Yield the objects that map to `key`, in the order of their names. They must not be modified."""
        keys = (key,) if self._index is None else self._index.get(key)
        if not keys:
            return iter(())
        return (self._decode(self._objects[found]) for found in sorted(keys) if found in self._objects)

    def keys(self) -> Iterator[NamespacedName]:
        """Yield the keys of all stored objects, from a copy."""
        return iter(tuple(self._objects))

    def was_recently_deleted(self, key: NamespacedName) -> bool:
        """Return True if there is a tombstone for `key` and no live object."""
        return key in self._tombstones and key not in self._objects

    def upsert(self, body: Object) -> tuple[NamespacedName, ...]:
        """Store `body` unless a newer version is known. Nothing is affected when all that is stored stays the same."""
        key, version = key_of(body), version_of(body)
        known = self._objects.get(key)
        if known is not None and known.version >= version and key not in self._outdated:
            return ()
        if self._tombstones and self._tombstones.get(key, 0) >= version:
            return ()
        self._outdated.discard(key)
        transformed = self.transform(body)
        stored = StoredObject(version, _encode(transformed), self._summary_func(transformed))
        self._objects[key] = stored
        if known is not None and known.text == stored.text:
            return ()
        before = () if known is None or (self._index is None) else self._map_func(self._decode(known))
        return self._update_index(key, before, self._map_func(transformed))

    def delete(self, body: Object) -> tuple[NamespacedName, ...]:
        """Remove an object. `body` is its last state, with the version of the deletion."""
        key, version = key_of(body), version_of(body)
        known = self._objects.get(key)
        if known is not None and known.version > version and key not in self._outdated:
            return ()
        self._tombstones[key] = version
        return self._map_func(self.transform(body)) if known is None else self._remove(key)

    def remove_missing(self, listed: set[NamespacedName], version: int) -> tuple[NamespacedName, ...]:
        """Remove the objects that a list of this version does not have: no watch reported their deletion.

        An object that is newer than the list is the response to a write, and stays.
        """
        missing = [
            key
            for key, one in self._objects.items()
            if key not in listed and (one.version <= version or key in self._outdated)
        ]
        affected: list[NamespacedName] = []
        for key in missing:
            self._tombstones[key] = version
            affected += self._remove(key)
        return tuple(dict.fromkeys(affected))

    def rewind(self) -> None:
        """Forget the versions: the server was restored from a backup of etcd.

        What the server sends next replaces what is stored, although its versions are lower. Objects stay until then.
        """
        self._outdated.update(self._objects)
        self._tombstones.clear()

    def clear(self) -> tuple[NamespacedName, ...]:
        """Remove all objects, without tombstones: their kind is no longer served."""
        affected = [one for key in self.keys() for one in self._remove(key)]
        return tuple(dict.fromkeys(affected))

    def _remove(self, key: NamespacedName) -> tuple[NamespacedName, ...]:
        self._outdated.discard(key)
        return self._update_index(key, self._map_func(self._decode(self._objects.pop(key))), ())

    def _update_index(
        self, key: NamespacedName, before: tuple[NamespacedName, ...], after: tuple[NamespacedName, ...]
    ) -> tuple[NamespacedName, ...]:
        """Index `key` under `after` instead of `before`; return both, each key once."""
        if self._index is not None:
            for one in after:
                self._index.setdefault(one, set()).add(key)
            for one in before:
                if one not in after:
                    self._index[one].discard(key)
                    if not self._index[one]:
                        del self._index[one]
        return tuple(dict.fromkeys((*before, *after)))

    def _decode(self, stored: StoredObject) -> Object:
        known, body = self._last_decoded
        if known is not stored:
            body = self._type_meta | orjson.loads(stored.text)
            body["metadata"]["resourceVersion"] = str(stored.version)
            self._last_decoded = (stored, body)
        return body


def _encode(body: Object) -> bytes:
    metadata = {name: value for name, value in body["metadata"].items() if name != "resourceVersion"}
    rest = {name: value for name, value in body.items() if name not in {"apiVersion", "kind"}}
    # A copy: the bytes that orjson returns keep the buffer that they were written into, 8 KiB for most (orjson 3.13).
    return memoryview(orjson.dumps(rest | {"metadata": metadata})).tobytes()
