"""One operator process: builds the shared dependencies, runs everything, and reports health."""

import asyncio
import gc
import logging
import platform
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.apply.applier import Applier
from modelservice_operator.apply.writer import ObjectWriter
from modelservice_operator.cache.informer import InformerContext
from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.rest import RestClient
from modelservice_operator.controller.blocked_names import BlockedNames
from modelservice_operator.controller.controller import Controller
from modelservice_operator.controller.reconciler import Reconciler
from modelservice_operator.controller.status_writer import StatusWriter
from modelservice_operator.controller.watches import EventHandlers, build_informers
from modelservice_operator.controller.workqueue import Priority, WorkQueue
from modelservice_operator.events.load_progress import LoadProgressReader
from modelservice_operator.events.pod_events import PodEventReader
from modelservice_operator.events.recorder import EventRecorder
from modelservice_operator.logs.levels import LevelSwitch
from modelservice_operator.manager.health import HealthChecks
from modelservice_operator.manager.kubernetes_version import report_kubernetes_version
from modelservice_operator.manager.leader_election import LeaderElector, default_lease_name
from modelservice_operator.manager.metrics_access import MetricsAccess
from modelservice_operator.manager.scrape import connect_metrics
from modelservice_operator.manager.supervisor import Supervisor
from modelservice_operator.metrics.event_loop import measure_lag
from modelservice_operator.settings import Settings

logger = logging.getLogger(__name__)


class Manager:
    """Wires and supervises the operator (controller-runtime, manager.Manager). `run` ends when leadership is lost."""

    def __init__(self, load_credentials: Callable[[], Credentials], settings: Settings) -> None:
        self._clock = SYSTEM_CLOCK
        self._began = self._clock.monotonic()
        self._client = RestClient(load_credentials, settings, clock=self._clock, check_write=self._check_leadership)
        self._queue = WorkQueue[NamespacedName](workers=settings.workers, namespace_of=lambda key: key.namespace)
        self._handlers = EventHandlers(self._queue, settings)
        context = InformerContext(self._client, settings, self._clock)
        self._informers = build_informers(context, self._handlers)
        self._blocked_names = BlockedNames(context, self._handlers.enqueue_debounced)
        self._recorder = EventRecorder(self._client, is_busy=self._queue.has_pending, clock=self._clock)
        self._controller = self._build_controller(settings)
        self._elector = self._build_elector(settings)
        self._first_synced = asyncio.Event()
        """The caches of at least one namespace are complete."""
        self.health = HealthChecks(self._informers, self._queue, self._client, clock=self._clock)
        self.metrics_access = MetricsAccess(self._client, clock=self._clock)
        connect_metrics(self._queue, self._informers, self._elector, workers=settings.workers, clock=self._clock)

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
            load_progress=LoadProgressReader(clock=clock),
            blocked_names=self._blocked_names,
            clock=clock,
        )
        return Controller(reconciler, self._queue, self._informers, settings)

    def _build_elector(self, settings: Settings) -> LeaderElector | None:
        if settings.lease_namespace is None:
            return None
        identity = f"{platform.node()}_{uuid4().hex[:8]}"
        return LeaderElector(
            self._client,
            namespace=settings.lease_namespace,
            name=settings.lease_name or default_lease_name(settings.namespaces),
            identity=identity,
            on_lease=LevelSwitch().observe,
            clock=self._clock,
        )

    def _check_leadership(self) -> None:
        """Raise LeadershipLostError if another replica may lead: no write is sent then."""
        if self._elector is not None:
            self._elector.check_leadership()

    async def run(self) -> None:
        """Sync the caches, wait for leadership, and reconcile until cancelled. A task that fails is restarted."""
        async with self._client, self._released_lease(), Supervisor(clock=self._clock) as supervisor:
            supervisor.start("event loop lag", measure_lag)
            for informer in self._informers:
                supervisor.start(f"informer {informer.kind.plural}", informer.run)
            supervisor.create_task(report_kubernetes_version(self._client), name="kubernetes version")
            for namespace in self._informers.namespaces:
                supervisor.create_task(self._sync(namespace), name=f"sync {namespace}")
            await self._first_synced.wait()
            if self._elector is not None:
                await self._elector.acquire()
                supervisor.start("leader election", self._elector.renew_forever)
            supervisor.start("blocked names", self._blocked_names.run)
            supervisor.start("controller", self._reconcile)
            supervisor.start("events", self._recorder.run)

    async def _reconcile(self) -> None:
        """Run the controller. After a failure every key is added again: workers may have dropped some."""
        try:
            await self._controller.run()
        except BaseException:
            for key in self._informers.keys(MODEL_SERVICE):
                self._queue.add(key, Priority.RESYNC)
            raise

    async def _sync(self, namespace: str) -> None:
        """Wait for the caches of a namespace; an empty one means all."""
        await self._handlers.sync(self._informers, namespace)
        # Most of what is cached now stays cached: the garbage collector need not traverse it each time.
        gc.collect()
        gc.freeze()
        where = f" in namespace {namespace}" if namespace else ""
        waited = self._clock.monotonic() - self._began
        fields = {"reason": "CachesSynced", "duration_seconds": waited}
        logger.info("Caches synced%s; %d objects queued", where, len(self._queue), extra=fields)
        self._first_synced.set()

    @asynccontextmanager
    async def _released_lease(self) -> AsyncIterator[None]:
        """Release the Lease at the end, whatever ends the process."""
        try:
            yield
        finally:
            if self._elector is not None:
                await self._elector.release()

    @property
    def credentials(self) -> Credentials:
        """Credentials in use."""
        return self._client.credentials
