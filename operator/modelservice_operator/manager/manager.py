"""The running operator: caches, workers and the resync, wired once and supervised together."""

import asyncio
import gc
import logging
import platform
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from uuid import uuid4

from modelservice_operator.apimachinery.kinds import (
    CHILD_KINDS,
    DIAGNOSTIC_KINDS,
    HORIZONTAL_POD_AUTOSCALER,
    MODEL_SERVICE,
    OPTIONAL_CHILD_KINDS,
    POD,
    REPLICA_SET,
    ResourceKind,
)
from modelservice_operator.apimachinery.objects import NamespacedName, Object
from modelservice_operator.apply.applier import Applier
from modelservice_operator.cache.informer import Informer, InformerSet, map_to_same_name
from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.rest import RestClient
from modelservice_operator.controller.mappers import map_autoscaler, map_by_instance_label
from modelservice_operator.controller.reconciler import Reconciler
from modelservice_operator.controller.transforms import (
    transform_autoscaler,
    transform_child,
    transform_model_service,
    transform_pod,
    transform_replica_set,
)
from modelservice_operator.controller.workqueue import Priority, WorkQueue
from modelservice_operator.errors import OperatorError, TerminalError, TransientError
from modelservice_operator.events.pod_events import PodEventReader
from modelservice_operator.events.recorder import EventRecorder
from modelservice_operator.manager.leader_election import LeaderElector
from modelservice_operator.resources.metadata import MANAGED_SELECTOR
from modelservice_operator.settings import LEASE_NAME, Settings

logger = logging.getLogger(__name__)

TERMINAL_ERROR_INTERVAL = 30.0
"""Objects that do not belong to us send no event when they go: what only a person can heal is looked at slowly."""
_GC_THRESHOLD = (50_000, 50, 100)
_UNLABELLED = frozenset({MODEL_SERVICE, HORIZONTAL_POD_AUTOSCALER})
"""Kinds of which those of others are read too: somebody else's autoscaler may scale our Deployment."""
_REDUCTIONS: Mapping[ResourceKind, Callable[[Object], Object]] = {
    MODEL_SERVICE: transform_model_service,
    HORIZONTAL_POD_AUTOSCALER: transform_autoscaler,
    POD: transform_pod,
    REPLICA_SET: transform_replica_set,
}
_CONCERNS: Mapping[ResourceKind, Callable[[Object], tuple[NamespacedName, ...]]] = {
    HORIZONTAL_POD_AUTOSCALER: map_autoscaler,
    POD: map_by_instance_label,
    REPLICA_SET: map_by_instance_label,
}


class Manager:
    """One operator process. `run` ends only with an exception."""

    def __init__(self, load_credentials: Callable[[], Credentials], settings: Settings) -> None:
        self._settings = settings
        self._caches_synced = False
        """Whether all caches are whole. What they hold before is merely looked at again."""
        self._queue: WorkQueue[NamespacedName] = WorkQueue()
        self._turn = asyncio.Lock()
        self._connection = RestClient(load_credentials, settings)
        self._informers = InformerSet(
            {kind: self._make(kind) for kind in (MODEL_SERVICE, *CHILD_KINDS, *DIAGNOSTIC_KINDS)}
        )
        self._lease = None
        if settings.lease_namespace is not None:
            identity = f"{platform.node()}_{uuid4().hex[:8]}"
            self._lease = LeaderElector(
                self._connection, namespace=settings.lease_namespace, name=LEASE_NAME, identity=identity
            )
        cluster = Applier(self._connection, self._informers)
        self._recorder = EventRecorder(self._connection, is_busy=self._queue.has_pending)
        self._reconciler = Reconciler(
            self._informers,
            cluster,
            self._queue,
            settings,
            pod_events=PodEventReader(self._connection),
            recorder=self._recorder,
        )

    async def run(self) -> None:
        """List, watch and reconcile for ever."""
        async with self._connection, self._released_lease(), asyncio.TaskGroup() as tasks:
            for informer in self._informers.all():
                tasks.create_task(informer.run(), name=f"informer {informer.kind.plural}")
            await self._informers.wait_for_cache_sync()
            self._caches_synced = True
            # What is cached now mostly stays: the collector need not walk through it again and again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_GC_THRESHOLD)
            logger.info("All caches are complete: %d objects wait.", len(self._queue))
            if self._lease is not None:
                await self._lease.acquire()
                tasks.create_task(self._lease.renew_forever(), name="lease")
            for number in range(self._settings.workers):
                tasks.create_task(self._work(), name=f"worker {number}")
            tasks.create_task(self._resync(), name="resync")
            tasks.create_task(self._recorder.run(), name="events")

    @asynccontextmanager
    async def _released_lease(self) -> AsyncIterator[None]:
        """Give the Lease back at the end, however it comes."""
        try:
            yield
        finally:
            if self._lease is not None:
                await self._lease.release()

    def health(self) -> dict[str, float | int]:
        """Figures for the health endpoint: keys that wait, and the age of the last word of each watch in seconds."""
        now = time.monotonic()
        ages = {f"{it.kind.plural}_seconds": round(now - it.last_activity, 1) for it in self._informers.all()}
        return {"queue": len(self._queue), **ages}

    def _make(self, kind: ResourceKind) -> list[Informer]:
        return [self._informer(kind, namespace) for namespace in self._settings.namespaces or ("",)]

    def _informer(self, kind: ResourceKind, namespace: str) -> Informer:
        return Informer(
            kind,
            self._connection,
            self._settings,
            namespace=namespace,
            selector="" if kind in _UNLABELLED else MANAGED_SELECTOR,
            optional=kind in OPTIONAL_CHILD_KINDS,
            transform=_REDUCTIONS.get(kind, transform_child),
            map_func=_CONCERNS.get(kind, map_to_same_name),
            list_lock=self._turn,
            read_delay=0.0 if kind is MODEL_SERVICE else self._settings.event_debounce,
            on_change=self._enqueue if kind is MODEL_SERVICE else self._enqueue_debounced,
        )

    def _enqueue(self, key: NamespacedName) -> None:
        """Somebody changed a ModelService: that is looked at at once."""
        self._queue.add(key, Priority.EVENT if self._caches_synced else Priority.RESYNC)

    def _enqueue_debounced(self, key: NamespacedName) -> None:
        """Something changed that belongs to one: mostly more will, as in a rollout."""
        if self._caches_synced:
            self._queue.add_debounced(key, self._settings.event_debounce)
        else:
            self._queue.add(key, Priority.RESYNC)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._reconciler.reconcile(key)
            except OperatorError as error:
                self._requeue(key, error)
            except Exception:
                pause = self._queue.add_rate_limited(key)
                logger.exception("%s/%s: a bug of the operator; tried again in %.1f s", *key, pause)
            except asyncio.CancelledError:
                self._queue.done(key)
                raise
            else:
                self._queue.done(key)

    def _requeue(self, key: NamespacedName, error: OperatorError) -> None:
        match error:
            case TransientError():
                after = error.retry_after
            case TerminalError():
                after = TERMINAL_ERROR_INTERVAL
            case _:
                after = None
        pause = self._queue.add_rate_limited(key, after=after)
        logger.warning("%s/%s: %s Tried again in %.1f s.", *key, error, pause)

    async def _resync(self) -> None:
        """Look at every object again, spread over the interval so that no burst arises."""
        while True:
            await asyncio.sleep(self._settings.resync_interval * random.uniform(0.9, 1.1))  # noqa: S311
            for key in self._informers.keys(MODEL_SERVICE):
                self._queue.add(key, Priority.RESYNC)
                await asyncio.sleep(0)
