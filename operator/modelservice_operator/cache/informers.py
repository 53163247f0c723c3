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
        found = (informer.store.get(key) for informer in self._serving(kind, key.namespace))
        return next((body for body in found if body is not None), None)

    def by_index(self, kind: ResourceKind, key: NamespacedName) -> tuple[Object, ...]:
        """Return copies of the cached objects of a kind that map to `key`, in the order of their names."""
        serving = self._serving(kind, key.namespace)
        return tuple(chain.from_iterable(informer.store.by_index(key) for informer in serving))

    def was_recently_deleted(self, kind: ResourceKind, key: NamespacedName) -> bool:
        """Return True if an object was deleted a short time ago and does not exist as far as is known."""
        return any(informer.store.was_recently_deleted(key) for informer in self._serving(kind, key.namespace))

    def keys(self, kind: ResourceKind, namespace: str = "") -> Iterator[NamespacedName]:
        """Yield the keys of all cached objects of a kind, in the informer of one namespace if that is not empty."""
        chosen = (informer for informer in self._informers[kind] if namespace in {"", informer.namespace})
        return chain.from_iterable(informer.store.keys() for informer in chosen)

    def upsert(self, kind: ResourceKind, body: Object) -> None:
        """Store the response to a write of the operator; no handler is notified."""
        self._of(kind, body).upsert(body, notify=False)

    def delete(self, kind: ResourceKind, body: Object) -> None:
        """Remove an object that the operator deleted."""
        self._of(kind, body).delete(body)

    def transform(self, kind: ResourceKind, body: Object) -> Object:
        """Return `body` as the cache of its kind stores it."""
        return self._of(kind, body).store.transform(body)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Namespaces whose caches become complete independently of each other; an empty one means all."""
        return tuple(dict.fromkeys(informer.namespace for informer in self))

    def is_available(self, kind: ResourceKind, namespace: str) -> bool:
        """Return True if the objects of this kind in a namespace are cached completely."""
        return not self.explain_unavailable(kind, namespace)

    def explain_unavailable(self, kind: ResourceKind, namespace: str) -> str:
        """Return a sentence why the objects of this kind in a namespace cannot be read; empty if they can."""
        return next(filter(None, (one.explain_unavailable() for one in self._serving(kind, namespace))), "")

    def has_synced(self, namespace: str) -> bool:
        """Return True if nothing of a namespace is still being read: before that, nothing may be decided about it."""
        return all(informer.reflector.is_initialized for informer in self if informer.serves(namespace))

    async def wait_for_cache_sync(self, namespace: str) -> None:
        """Wait until each cache of a namespace is complete, or known not to be available."""
        for informer in self:
            if informer.serves(namespace):
                await informer.reflector.wait_initialized()

    def _serving(self, kind: ResourceKind, namespace: str) -> Iterator[Informer]:
        return (informer for informer in self._informers[kind] if informer.serves(namespace))

    def _of(self, kind: ResourceKind, body: Object) -> Informer:
        return next(self._serving(kind, key_of(body).namespace))
