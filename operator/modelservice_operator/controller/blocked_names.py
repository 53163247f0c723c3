"""Watches each object that has the name of a child, while the conflict lasts.

The informers do not see an object without the operator's labels. Its deletion would otherwise be noticed at the next
attempt only (controller.TERMINAL_ERROR_INTERVAL), which remains for what is not watched.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any, NamedTuple

from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.apimachinery.kinds import ResourceKind
from modelservice_operator.apimachinery.objects import NamespacedName, Object
from modelservice_operator.apimachinery.well_known import INSTANCE_LABEL, MANAGED_BY_LABEL
from modelservice_operator.apply.ownership import is_blocking
from modelservice_operator.cache.informer import InformerContext
from modelservice_operator.cache.reflector import ListWatch, Reflector, Tolerance
from modelservice_operator.resources import DesiredChild
from modelservice_operator.resources.metadata import ADOPT_BY_ANNOTATION, OWNER_ANNOTATION

logger = logging.getLogger(__name__)

MAX_WATCHES = 64
"""Watches at a time. Each is a connection to the API server."""
MAX_WATCHES_PER_NAMESPACE = 32
"""Watches at a time for one namespace, so that none takes all of them."""


class BlockedName(NamedTuple):
    """The name of a child that another object has, for one generation of a ModelService."""

    kind: ResourceKind
    key: NamespacedName
    owner_uid: str
    generation: int

    @classmethod
    def of(cls, child: DesiredChild, service: ModelService) -> "BlockedName":
        """Return the name of a child."""
        return cls(child.kind, child.key, service.metadata.uid, service.metadata.generation)


class BlockedNames:
    """The watches of all blocked names."""

    def __init__(self, context: InformerContext, enqueue: Callable[[NamespacedName], None]) -> None:
        """`enqueue` is called with the key of a ModelService one of whose names may have become free."""
        self._context = context
        self._enqueue = enqueue
        self._list_lock = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None
        self._watches: dict[NamespacedName, dict[BlockedName, asyncio.Task[None]]] = {}

    def __len__(self) -> int:
        """Return the number of watches."""
        return self._count(self._watches)

    async def run(self) -> None:
        """Allow watches until cancelled."""
        self._watches.clear()
        async with asyncio.TaskGroup() as self._tasks:
            await asyncio.get_running_loop().create_future()

    def update(
        self, service: ModelService, children: Collection[DesiredChild], forget: Callable[[DesiredChild], None]
    ) -> None:
        """Watch the names of exactly these children of a ModelService, as far as the limits allow.

        When one changes, `forget` is called with the child, and the ModelService is enqueued.
        """
        key, names = service.metadata.key, {BlockedName.of(child, service): child for child in children}
        self._cancel(key, [name for name in self._watches.get(key, ()) if name not in names])
        for name, child in names.items():
            if name not in self._watches.get(key, ()) and self._has_room(key.namespace):
                self._start(name, service, partial(forget, child))

    def discard(self, key: NamespacedName) -> None:
        """End the watches of a ModelService."""
        self._cancel(key, list(self._watches.get(key, ())))

    def _has_room(self, namespace: str) -> bool:
        if self._tasks is None or len(self) >= MAX_WATCHES:
            return False
        return self._count(key for key in self._watches if key.namespace == namespace) < MAX_WATCHES_PER_NAMESPACE

    def _count(self, keys: Iterable[NamespacedName]) -> int:
        return sum(len(self._watches[key]) for key in keys)

    def _start(self, name: BlockedName, service: ModelService, forget: Callable[[], None]) -> None:
        if self._tasks is None:
            return
        key = service.metadata.key

        def on_change() -> None:
            forget()
            self._enqueue(key)

        task = self._tasks.create_task(self._watch(name, _NameHandler(service, on_change)), name=f"name {name.key}")
        self._watches.setdefault(key, {})[name] = task

    def _cancel(self, key: NamespacedName, names: Collection[BlockedName]) -> None:
        watches = self._watches.get(key, {})
        for name in names:
            watches.pop(name).cancel()
        if names and not watches:
            del self._watches[key]

    async def _watch(self, name: BlockedName, handler: "_NameHandler") -> None:
        """List and watch one name until cancelled. A bug ends this watch only."""
        settings, path = self._context.settings, name.kind.path(namespace=name.key.namespace)
        source = ListWatch(self._context.client, settings, path=path, field_selector=f"metadata.name={name.key.name}")
        reflector = Reflector(
            source, handler, settings, Tolerance(optional=True), lock=self._list_lock, clock=self._context.clock
        )
        try:
            await reflector.run(f"{name.kind.plural} {name.key}")
        except Exception:
            logger.exception("%s %s: unexpected error, the name is not watched", name.kind.kind, name.key)


class _NameHandler:
    """Reports changes of one object that may unblock its name (cache.reflector.EventHandler)."""

    def __init__(self, service: ModelService, on_change: Callable[[], None]) -> None:
        self._service = service
        self._on_change = on_change
        self._seen: tuple[Any, ...] | None = None

    def upsert(self, body: Object) -> None:
        """Report a change of the ownership. What is blocking at the first sight is known."""
        previous, self._seen = self._seen, _ownership_fields(body)
        is_news = not is_blocking(body, self._service) if previous is None else previous != self._seen
        if is_news:
            self._on_change()

    def delete(self, _: Object) -> None:
        """Report that the name is free."""
        self._on_change()

    def remove_missing(self, listed: set[NamespacedName], _: int) -> None:
        """Report that the name is free if it was not listed."""
        if not listed:
            self._on_change()

    def clear(self) -> None:
        """Ignore that the kind is not available: the next attempt reports it."""

    def become_available(self) -> None:
        """Ignore that the kind is available again: the list has been handled."""

    def rewind(self) -> None:
        """Ignore lower versions: none is stored here."""


def _ownership_fields(body: Object) -> tuple[Any, ...]:
    """Return what `ownership_of` reads. A rollout changes none of it."""
    metadata = body["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    return (
        metadata["uid"],
        metadata.get("deletionTimestamp"),
        metadata.get("ownerReferences"),
        *(labels.get(name) for name in (MANAGED_BY_LABEL, INSTANCE_LABEL)),
        *(annotations.get(name) for name in (OWNER_ANNOTATION, ADOPT_BY_ANNOTATION)),
    )
