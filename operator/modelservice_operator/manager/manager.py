"""One operator process: builds the shared dependencies, runs everything, and reports health."""

import asyncio
import gc
import logging
import platform
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK
from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.apply.applier import Applier
from modelservice_operator.apply.writer import ObjectWriter
from modelservice_operator.cache.informer import InformerContext
from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.rest import RestClient
from modelservice_operator.controller.controller import Controller
from modelservice_operator.controller.reconciler import Reconciler
from modelservice_operator.controller.status_writer import StatusWriter
from modelservice_operator.controller.watches import EventHandlers, build_informers
from modelservice_operator.controller.workqueue import Priority, WorkQueue
from modelservice_operator.events.pod_events import PodEventReader
from modelservice_operator.events.recorder import EventRecorder
from modelservice_operator.manager.leader_election import LeaderElector
from modelservice_operator.settings import LEASE_NAME, Settings

logger = logging.getLogger(__name__)

_GC_THRESHOLD = (50_000, 50, 100)


class Manager:
    """Wires and supervises the operator (controller-runtime, manager.Manager). `run` ends only with an exception."""

    def __init__(self, load_credentials: Callable[[], Credentials], settings: Settings) -> None:
        self._clock = SYSTEM_CLOCK
        self._client = RestClient(load_credentials, settings, clock=self._clock)
        self._queue = WorkQueue[NamespacedName]()
        self._handlers = EventHandlers(self._queue, settings)
        self._informers = build_informers(InformerContext(self._client, settings, self._clock), self._handlers)
        self._recorder = EventRecorder(self._client, is_busy=self._queue.has_pending, clock=self._clock)
        self._controller = self._build_controller(settings)
        self._elector = self._build_elector(settings)

    def _build_controller(self, settings: Settings) -> Controller:
        clock, writer = self._clock, ObjectWriter(self._client, self._informers)
        status_writer = StatusWriter(
            writer,
            self._recorder,
            settings,
            children_are_pending=lambda: self._queue.has_higher_priority_than(Priority.RESYNC),
            clock=clock,
        )
        reconciler = Reconciler(
            self._informers,
            Applier(writer, self._informers, clock=clock),
            status_writer,
            PodEventReader(self._client, clock=clock),
            settings,
            clock=clock,
        )
        return Controller(reconciler, self._queue, self._informers, settings)

    def _build_elector(self, settings: Settings) -> LeaderElector | None:
        if settings.lease_namespace is None:
            return None
        identity = f"{platform.node()}_{uuid4().hex[:8]}"
        return LeaderElector(self._client, namespace=settings.lease_namespace, name=LEASE_NAME, identity=identity)

    async def run(self) -> None:
        """Sync the caches, wait for leadership, and reconcile until cancelled."""
        async with self._client, self._released_lease(), asyncio.TaskGroup() as tasks:
            for informer in self._informers:
                tasks.create_task(informer.run(), name=f"informer {informer.kind.plural}")
            await self._informers.wait_for_cache_sync()
            self._handlers.caches_synced = True
            # Most of what is cached now stays cached: the garbage collector need not traverse it each time.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_GC_THRESHOLD)
            logger.info("Caches synced; %d objects queued", len(self._queue))
            if self._elector is not None:
                await self._elector.acquire()
                tasks.create_task(self._elector.renew_forever(), name="leader election")
            tasks.create_task(self._controller.run(), name="controller")
            tasks.create_task(self._recorder.run(), name="events")

    @asynccontextmanager
    async def _released_lease(self) -> AsyncIterator[None]:
        """Release the Lease at the end, whatever ends the process."""
        try:
            yield
        finally:
            if self._elector is not None:
                await self._elector.release()

    def health(self) -> dict[str, float | int]:
        """Return the figures of the health endpoint: keys that wait, and seconds since each watch was last active."""
        now = self._clock.monotonic()
        ages = {f"{it.kind.plural}_seconds": round(now - it.reflector.last_activity, 1) for it in self._informers}
        return {"queue": len(self._queue), **ages}
