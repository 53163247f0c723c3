"""The cache of one kind: a store that a reflector keeps up to date, and notifications of changes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.kinds import ResourceKind
from modelservice_operator.apimachinery.objects import NamespacedName, Object
from modelservice_operator.cache.reflector import ListWatch, Reflector, Tolerance
from modelservice_operator.cache.store import (
    MapFunc,
    Store,
    SummaryFunc,
    TransformFunc,
    map_to_same_name,
    summarize_nothing,
)
from modelservice_operator.client.rest import RestClient
from modelservice_operator.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSpec:
    """Describes how one kind is watched, stored and mapped to the keys that its objects affect."""

    kind: ResourceKind
    selector: str = ""
    """Label selector; empty watches every object of the kind."""
    optional: bool = False
    """A cluster without the kind is normal: its CRD may be installed later."""
    required: bool = False
    """Nothing can be done without the kind: it is waited for, and its objects are kept when it is refused later."""
    transform: TransformFunc = lambda body: body
    map_func: MapFunc = map_to_same_name
    summary_func: SummaryFunc = summarize_nothing
    coalesce: bool = True
    """Read the events of a burst together, up to `Settings.event_debounce` seconds late."""


@dataclass(frozen=True, slots=True)
class InformerContext:
    """Dependencies that all informers of a process share."""

    client: RestClient
    settings: Settings
    clock: Clock = SYSTEM_CLOCK
    list_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held for each page of a list, so that only one page at a time is in memory."""


def _ignore(_: NamespacedName) -> None:
    """Handle a change by doing nothing."""


class Informer:
    """The cache of one kind, in all namespaces or in one.

    It is never older than the operator's own writes, whose responses are stored by `upsert`.
    """

    def __init__(
        self,
        spec: WatchSpec,
        context: InformerContext,
        *,
        namespace: str = "",
        on_change: Callable[[NamespacedName], None] = _ignore,
        on_available: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_change` is called with each key that a change affects: creation, deletion, or a different content.

        `on_available` is called with the namespace of the informer when a kind that was not available has become so.
        """
        settings = context.settings
        self.kind = spec.kind
        self.namespace = namespace
        self._has_crd = spec.optional or spec.required
        self.store = Store(
            spec.kind,
            transform=spec.transform,
            map_func=spec.map_func,
            summary_func=spec.summary_func,
            clock=context.clock,
        )
        self._on_change = on_change
        self._on_available = on_available
        source = ListWatch(
            context.client,
            settings,
            path=spec.kind.path(namespace=namespace),
            selector=spec.selector,
            read_delay=settings.event_debounce if spec.coalesce else 0.0,
        )
        self.reflector = Reflector(
            source,
            self,
            settings,
            Tolerance(optional=spec.optional, required=spec.required),
            lock=context.list_lock,
            clock=context.clock,
        )

    async def run(self) -> None:
        """List and watch until cancelled."""
        await self.reflector.run(self.kind.plural + (f" in namespace {self.namespace}" if self.namespace else ""))

    def serves(self, namespace: str) -> bool:
        """Return True if the objects of a namespace are cached here."""
        return self.namespace in {"", namespace}

    def explain_unavailable(self) -> str:
        """Return a sentence why the kind cannot be read, and what to do; empty while it is available."""
        if self.reflector.has_synced.is_set():
            return ""
        subject = f"{self.kind.kind} ({self.kind.api_version}) is not available:"
        refused = self.reflector.refused
        if refused is None:
            return f"{subject} it is still being read."
        if refused.is_missing:
            return f"{subject} {'install its CRD' if self._has_crd else 'the cluster does not serve it'}."
        where = f"in namespace {self.namespace}" if self.namespace else "in all namespaces"
        return (
            f"{subject} the operator is not allowed to {refused.verb} {self.kind.group_resource} {where}. Grant it the"
            " verb in its role."
        )

    def upsert(self, body: Object, *, notify: bool = True) -> None:
        """Store an object. No handler is notified if `notify` is False: the caller wrote it, and continues with it."""
        affected = self.store.upsert(body)
        if notify:
            self._notify(affected)

    def delete(self, body: Object) -> None:
        """Remove an object. `body` is its last state, with the version of the deletion."""
        self._notify(self.store.delete(body))

    def remove_missing(self, listed: set[NamespacedName], version: int) -> None:
        """Remove the objects that a complete list of this version does not have."""
        self._notify(self.store.remove_missing(listed, version))

    def rewind(self) -> None:
        """Accept lower versions than those that are stored: the server was restored from a backup."""
        self.store.rewind()

    def become_available(self) -> None:
        """Notify that everything of a kind that was not available has been read."""
        self._on_available(self.namespace)

    def clear(self) -> None:
        """Remove all objects: their kind is not available."""
        self._notify(self.store.clear())

    def _notify(self, keys: tuple[NamespacedName, ...]) -> None:
        for key in keys:
            self._on_change(key)
