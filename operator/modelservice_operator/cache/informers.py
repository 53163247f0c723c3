"""All caches: one informer for each kind, or for each kind and served namespace."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from modelservice_operator.apimachinery.kinds import ResourceKind
from modelservice_operator.apimachinery.objects import NamespacedName, Object, key_of
from modelservice_operator.cache.informer import Informer


class InformerSet:
    """Reads and updates the caches of all kinds, whatever namespace an informer serves."""

    def __init__(self, informers: Mapping[ResourceKind, Sequence[Informer]]) -> None:
        self._informers = informers

    def __iter__(self) -> Iterator[Informer]:
        return chain.from_iterable(self._informers.values())

    def get(self, kind: ResourceKind, key: NamespacedName) -> Object | None:
        """Return a copy of the cached object, transformed; None when it does not exist as far as is known."""
        found = (informer.store.get(key) for informer in self._informers[kind])
        return next((body for body in found if body is not None), None)

    def by_index(self, kind: ResourceKind, key: NamespacedName) -> tuple[Object, ...]:
        """Return copies of the cached objects of a kind that map to `key`, in the order of their names."""
        return tuple(chain.from_iterable(informer.store.by_index(key) for informer in self._informers[kind]))

    def was_recently_deleted(self, kind: ResourceKind, key: NamespacedName) -> bool:
        """Return True if an object was deleted a short time ago and does not exist as far as is known."""
        return any(informer.store.was_recently_deleted(key) for informer in self._informers[kind])

    def keys(self, kind: ResourceKind) -> Iterator[NamespacedName]:
        """Yield the keys of all cached objects of a kind."""
        return chain.from_iterable(informer.store.keys() for informer in self._informers[kind])

    def upsert(self, kind: ResourceKind, body: Object) -> None:
        """Store the response to a write of the operator; no handler is notified."""
        self._of(kind, body).upsert(body, notify=False)

    def delete(self, kind: ResourceKind, body: Object) -> None:
        """Remove an object that the operator deleted."""
        self._of(kind, body).delete(body)

    def transform(self, kind: ResourceKind, body: Object) -> Object:
        """Return `body` as the cache of its kind stores it."""
        return self._of(kind, body).store.transform(body)

    def is_served(self, kind: ResourceKind) -> bool:
        """Return True if the cluster serves this kind as far as is known: its cache is then complete."""
        return all(informer.reflector.has_synced.is_set() for informer in self._informers[kind])

    async def wait_for_cache_sync(self) -> None:
        """Wait until every cache is complete: nothing may be decided on partial data."""
        for informer in self:
            await informer.reflector.initialized.wait()

    def _of(self, kind: ResourceKind, body: Object) -> Informer:
        namespace = key_of(body).namespace
        return next(informer for informer in self._informers[kind] if informer.namespace in {"", namespace})
