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
        self._synced: set[str] = set()
        """Namespaces of which `has_synced` is known."""

    def __iter__(self) -> Iterator[Informer]:
        return chain.from_iterable(self._informers.values())

    def get(self, kind: ResourceKind, key: NamespacedName) -> Object | None:
        """Return the cached object, transformed; None when it does not exist as far as is known.

        It must not be modified, as in client-go (cache.Store): others may have got it, too.
        """
        informer = self._serving(kind, key.namespace)
        return None if informer is None else informer.store.get(key)

    def by_index(self, kind: ResourceKind, key: NamespacedName) -> tuple[Object, ...]:
        """Return the cached objects of a kind that map to `key`, in the order of their names; not to be modified."""
        informer = self._serving(kind, key.namespace)
        return () if informer is None else tuple(informer.store.by_index(key))

    def was_recently_deleted(self, kind: ResourceKind, key: NamespacedName) -> bool:
        """Return True if an object was deleted a short time ago and does not exist as far as is known."""
        informer = self._serving(kind, key.namespace)
        return informer is not None and informer.store.was_recently_deleted(key)

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
        informer = self._serving(kind, namespace)
        return "" if informer is None else informer.explain_unavailable()

    def has_synced(self, namespace: str) -> bool:
        """Return True if nothing of a namespace is still being read: before that, nothing may be decided about it."""
        if namespace in self._synced:
            return True
        if not all(informer.reflector.is_initialized for informer in self if informer.serves(namespace)):
            return False
        self._synced.add(namespace)  # what was initialized once stays so
        return True

    async def wait_for_cache_sync(self, namespace: str) -> None:
        """Wait until each cache of a namespace is complete, or known not to be available."""
        for informer in self:
            if informer.serves(namespace):
                await informer.reflector.wait_initialized()

    def _serving(self, kind: ResourceKind, namespace: str) -> Informer | None:
        """Return the informer of a namespace; None if the operator does not serve it. No two serve the same one."""
        for informer in self._informers[kind]:  # a plain loop: this is called dozens of times in a reconcile
            if not informer.namespace or informer.namespace == namespace:
                return informer
        return None

    def _of(self, kind: ResourceKind, body: Object) -> Informer:
        namespace = key_of(body).namespace
        if (informer := self._serving(kind, namespace)) is None:
            raise KeyError(f"Namespace {namespace} is not served.")
        return informer
