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
    AUTOSCALER,
    CHILD_KINDS,
    MODEL_SERVICE,
    OPTIONAL_CHILDREN,
    POD,
    REPLICA_SET,
    WITNESSES,
    Kind,
)
from modelservice_operator.apply.applier import Cluster
from modelservice_operator.cache.informer import Informer, Informers, Key, Object, own_key
from modelservice_operator.client.rest import Connection, Credentials
from modelservice_operator.controller.reconciler import Reconciler
from modelservice_operator.controller.transforms import (
    autoscaler_concerns,
    instance_concerns,
    reduce_autoscaler,
    reduce_child,
    reduce_pod,
    reduce_replica_set,
    reduce_service,
)
from modelservice_operator.controller.workqueue import Priority, WorkQueue
from modelservice_operator.errors import OperatorError, Terminal, Transient
from modelservice_operator.events.pod_events import Notes
from modelservice_operator.events.recorder import Recorder
from modelservice_operator.manager.leader_election import Lease
from modelservice_operator.resources.metadata import MANAGED_SELECTOR
from modelservice_operator.settings import LEASE_NAME, Settings

logger = logging.getLogger(__name__)

_TERMINAL_PAUSE = 30.0
"""Objects that do not belong to us send no event when they go: what only a person can heal is looked at slowly."""
_GC_THRESHOLD = (50_000, 50, 100)
_UNLABELLED = frozenset({MODEL_SERVICE, AUTOSCALER})
"""Kinds of which those of others are read too: somebody else's autoscaler may scale our Deployment."""
_REDUCTIONS: Mapping[Kind, Callable[[Object], Object]] = {
    MODEL_SERVICE: reduce_service,
    AUTOSCALER: reduce_autoscaler,
    POD: reduce_pod,
    REPLICA_SET: reduce_replica_set,
}
_CONCERNS: Mapping[Kind, Callable[[Object], tuple[Key, ...]]] = {
    AUTOSCALER: autoscaler_concerns,
    POD: instance_concerns,
    REPLICA_SET: instance_concerns,
}


class Runtime:
    """One operator process. `run` ends only with an exception."""

    def __init__(self, load_credentials: Callable[[], Credentials], settings: Settings) -> None:
        self._settings = settings
        self._complete = False
        """Whether all caches are whole. What they hold before is merely looked at again."""
        self._queue: WorkQueue[Key] = WorkQueue()
        self._turn = asyncio.Lock()
        self._connection = Connection(load_credentials, settings)
        self._informers = Informers({kind: self._make(kind) for kind in (MODEL_SERVICE, *CHILD_KINDS, *WITNESSES)})
        self._lease = None
        if settings.lease_namespace is not None:
            identity = f"{platform.node()}_{uuid4().hex[:8]}"
            self._lease = Lease(
                self._connection, namespace=settings.lease_namespace, name=LEASE_NAME, identity=identity
            )
        cluster = Cluster(self._connection, self._informers)
        self._recorder = Recorder(self._connection, busy=self._queue.is_busy)
        self._reconciler = Reconciler(
            self._informers,
            cluster,
            self._queue,
            settings,
            notes=Notes(self._connection),
            recorder=self._recorder,
        )

    async def run(self) -> None:
        """List, watch and reconcile for ever."""
        async with self._connection, self._released_lease(), asyncio.TaskGroup() as tasks:
            for informer in self._informers.all():
                tasks.create_task(informer.run(), name=f"informer {informer.kind.plural}")
            await self._informers.settled()
            self._complete = True
            # What is cached now mostly stays: the collector need not walk through it again and again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_GC_THRESHOLD)
            logger.info("All caches are complete: %d objects wait.", len(self._queue))
            if self._lease is not None:
                await self._lease.acquire()
                tasks.create_task(self._lease.hold(), name="lease")
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
        ages = {f"{it.kind.plural}_seconds": round(now - it.last_contact, 1) for it in self._informers.all()}
        return {"queue": len(self._queue), **ages}

    def _make(self, kind: Kind) -> list[Informer]:
        return [self._informer(kind, namespace) for namespace in self._settings.namespaces or ("",)]

    def _informer(self, kind: Kind, namespace: str) -> Informer:
        return Informer(
            kind,
            self._connection,
            self._settings,
            namespace=namespace,
            selector="" if kind in _UNLABELLED else MANAGED_SELECTOR,
            optional=kind in OPTIONAL_CHILDREN,
            reduce=_REDUCTIONS.get(kind, reduce_child),
            concerns=_CONCERNS.get(kind, own_key),
            turn=self._turn,
            linger=0.0 if kind is MODEL_SERVICE else self._settings.linger,
            changed=self._asked if kind is MODEL_SERVICE else self._changed,
        )

    def _asked(self, key: Key) -> None:
        """Somebody changed a ModelService: that is looked at at once."""
        self._queue.add(key, Priority.LIVE if self._complete else Priority.RESYNC)

    def _changed(self, key: Key) -> None:
        """Something changed that belongs to one: mostly more will, as in a rollout."""
        if self._complete:
            self._queue.add_soon(key, self._settings.linger)
        else:
            self._queue.add(key, Priority.RESYNC)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._reconciler.reconcile(key)
            except OperatorError as error:
                self._put_back(key, error)
            except Exception:
                pause = self._queue.retry(key)
                logger.exception("%s/%s: a bug of the operator; tried again in %.1f s", *key, pause)
            except asyncio.CancelledError:
                self._queue.done(key)
                raise
            else:
                self._queue.done(key)

    def _put_back(self, key: Key, error: OperatorError) -> None:
        match error:
            case Transient():
                after = error.retry_after
            case Terminal():
                after = _TERMINAL_PAUSE
            case _:
                after = None
        pause = self._queue.retry(key, after=after)
        logger.warning("%s/%s: %s Tried again in %.1f s.", *key, error, pause)

    async def _resync(self) -> None:
        """Look at every object again, spread over the interval so that no burst arises."""
        while True:
            await asyncio.sleep(self._settings.resync_interval * random.uniform(0.9, 1.1))  # noqa: S311
            for key in self._informers.keys(MODEL_SERVICE):
                self._queue.add(key, Priority.RESYNC)
                await asyncio.sleep(0)
