"""Workers that reconcile keys, the retry policy, and the resync. Owns the queue and its clocks."""

import asyncio
import logging
import random

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.flow_control import CURRENT_FLOW
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.apimachinery.wait import Backoff
from modelservice_operator.cache.informers import InformerSet
from modelservice_operator.controller.reconciler import Reconciler, Result
from modelservice_operator.controller.workqueue import BACKOFF, Priority, WorkQueue
from modelservice_operator.errors import (
    AdmissionUnavailableError,
    ConflictError,
    OperatorError,
    PredecessorTerminatingError,
    TerminalError,
    TransientError,
)
from modelservice_operator.logs.context import ReconcileScope, reconcile_scope
from modelservice_operator.metrics.instruments import ReconcileResult, record_reconcile, record_reconcile_error
from modelservice_operator.settings import Settings

logger = logging.getLogger(__name__)

TERMINAL_ERROR_INTERVAL = 30.0
"""Seconds between attempts at what a user must correct: the deletion of an object of another owner sends no event."""
ADMISSION_BACKOFF = Backoff(base=5.0, maximum=300.0, jitter=0.2)
"""Retries of a write that an admission webhook delays: each may hold a worker for 30 s."""
CONFLICT_BACKOFF = Backoff(base=0.2, maximum=2.0, jitter=0.2)
"""Retries after a concurrent write: the next attempt reads the newer object. Other clients may write often."""


class Controller:
    """Runs the workers that reconcile the keys of the queue (controller-runtime, controller.Controller)."""

    def __init__(
        self,
        reconciler: Reconciler,
        queue: WorkQueue[NamespacedName],
        informers: InformerSet,
        settings: Settings,
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._reconciler = reconciler
        self._queue = queue
        self._informers = informers
        self._settings = settings
        self._reported: dict[NamespacedName, str] = {}
        """Error that was last logged for a key, as long as its reconciles fail with it."""
        self._clock = clock

    async def run(self) -> None:
        """Reconcile until cancelled. The caches of at least one namespace should be synced."""
        self._queue.restart_waits()
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._settings.workers):
                tasks.create_task(self._work(), name=f"worker {number}")
            tasks.create_task(self._resync(), name="resync")

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            CURRENT_FLOW.set(self._queue.flow_of(key))
            try:
                await self._process(key)
            finally:
                self._queue.done(key)

    async def _process(self, key: NamespacedName) -> None:
        """Reconcile `key` once, and schedule the next time. Any error is logged and retried.

        A key of a namespace whose caches are incomplete is dropped: all of its keys are added once they are complete.
        """
        if not self._informers.has_synced(key.namespace):
            return
        started = self._clock.monotonic()
        with reconcile_scope(key) as scope:
            try:
                result = await self._reconciler.reconcile(key)
            except OperatorError as error:
                result = Result(error=error)
            except Exception as error:
                scope.trace.fail(error)
                record_reconcile(ReconcileResult.ERROR, self._clock.monotonic() - started)
                record_reconcile_error(is_unexpected=True)
                delay = self._queue.add_rate_limited(key)
                fields = {"reason": "UnexpectedError"}
                logger.exception("Unexpected error in reconcile, requeued in %.1f s", delay, extra=fields)
                return
            record_reconcile(_kind_of(result), self._clock.monotonic() - started)
            self._requeue(key, result, scope)

    def _requeue(self, key: NamespacedName, result: Result, scope: ReconcileScope) -> None:
        if result.error is None:
            self._queue.forget(key)
            self._reported.pop(key, None)
            logger.debug("Reconciled", extra={"reason": "Reconciled"})
        else:
            scope.trace.fail(result.error)
            record_reconcile_error(is_terminal=isinstance(result.error, TerminalError))
            after, backoff = _retry_after(result.error), _backoff_of(result.error)
            delay = self._queue.add_rate_limited(key, after=after, backoff=backoff)
            self._log_failure(key, result.error, delay)
        if result.requeue_after is not None:
            self._queue.add_after(key, result.requeue_after)

    def _log_failure(self, key: NamespacedName, error: OperatorError, delay: float) -> None:
        """Log a failure once: attempts that fail in the same way are of level DEBUG."""
        text, kind = str(error), type(error).__name__
        level = logging.DEBUG if self._reported.get(key) == text else logging.WARNING
        self._reported[key] = text
        fields = {"reason": kind.removesuffix("Error"), "error": error}
        logger.log(level, "Reconcile failed, requeued in %.1f s: %s", delay, error, extra=fields)

    async def _resync(self) -> None:
        """Add every key at the resync interval, one at a time so that other tasks can run."""
        while True:
            await asyncio.sleep(self._settings.resync_interval * random.uniform(0.9, 1.1))  # noqa: S311
            for key in self._informers.keys(MODEL_SERVICE):
                self._queue.add(key, Priority.RESYNC)
                await asyncio.sleep(0)


def _kind_of(result: Result) -> ReconcileResult:
    if result.error is not None:
        return ReconcileResult.ERROR
    return ReconcileResult.SUCCESS if result.requeue_after is None else ReconcileResult.REQUEUE_AFTER


def _retry_after(error: OperatorError) -> float | None:
    """Return the seconds until the next attempt; None for exponential backoff."""
    match error:
        case TransientError():
            return error.retry_after
        case TerminalError():
            return TERMINAL_ERROR_INTERVAL
        case _:
            return None


def _backoff_of(error: OperatorError) -> Backoff:
    match error:
        case AdmissionUnavailableError():
            return ADMISSION_BACKOFF
        case PredecessorTerminatingError():
            return BACKOFF
        case ConflictError():
            return CONFLICT_BACKOFF
        case _:
            return BACKOFF
