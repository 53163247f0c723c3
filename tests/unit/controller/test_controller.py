"""The retry policy: what follows each outcome of a reconcile."""

import asyncio
from collections.abc import Callable

import pytest

from modelservice_operator.apimachinery.flow_control import CURRENT_FLOW, Flow, Lane
from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.cache.informers import InformerSet
from modelservice_operator.controller.controller import CONFLICT_BACKOFF, TERMINAL_ERROR_INTERVAL, Controller
from modelservice_operator.controller.reconciler import Reconciler, Result
from modelservice_operator.controller.workqueue import BACKOFF, WorkQueue
from modelservice_operator.errors import (
    AdmissionUnavailableError,
    ConflictError,
    NameConflictError,
    OperatorError,
    PredecessorTerminatingError,
    ServerOverloadedError,
)
from modelservice_operator.settings import Settings

KEY = NamespacedName("ml", "iris")
OTHER = NamespacedName("ml", "wine")


class RecordingQueue(WorkQueue[NamespacedName]):
    """Records the delays of scheduled adds."""

    def __init__(self) -> None:
        super().__init__()
        self.delays: list[float] = []

    def add_after(self, key: NamespacedName, seconds: float) -> None:
        self.delays.append(seconds)
        super().add_after(key, seconds)


class FakeReconciler(Reconciler):
    """Returns or raises `outcome` for KEY, and succeeds for every other key."""

    def __init__(self, outcome: Result | Exception) -> None:
        self.outcome = outcome
        self.keys: list[NamespacedName] = []
        self.reconciled = asyncio.Event()

    async def reconcile(self, key: NamespacedName) -> Result:
        self.keys.append(key)
        self.reconciled.set()
        if key == OTHER:
            return Result()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def reconcile_once(outcome: Result | Exception, queue: RecordingQueue) -> FakeReconciler:
    """Run a controller until both keys are processed once."""
    reconciler = FakeReconciler(outcome)
    controller = Controller(reconciler, queue, InformerSet({}), Settings(workers=1))
    queue.add(KEY)
    queue.add(OTHER)
    task = asyncio.create_task(controller.run())
    async with asyncio.timeout(5):
        while OTHER not in reconciler.keys:
            reconciler.reconciled.clear()
            await reconciler.reconciled.wait()
    task.cancel()
    await asyncio.wait([task])
    return reconciler


def is_close_to(seconds: float) -> Callable[[float], bool]:
    return lambda delay: seconds * (1 - BACKOFF.jitter) <= delay <= seconds * (1 + BACKOFF.jitter)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (ConflictError("Changed."), BACKOFF.base),
        (ServerOverloadedError("Busy.", retry_after=7), 7),
        (NameConflictError("Taken."), TERMINAL_ERROR_INTERVAL),
        (OperatorError("Other."), BACKOFF.base),
    ],
)
@pytest.mark.parametrize("raised", [True, False])
async def test_error_decides_the_delay(error: OperatorError, seconds: float, *, raised: bool) -> None:
    queue = RecordingQueue()
    await reconcile_once(error if raised else Result(error=error), queue)
    assert len(queue.delays) == 1
    assert is_close_to(seconds)(queue.delays[0])


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (ConflictError("modified concurrently"), CONFLICT_BACKOFF.maximum),
        (PredecessorTerminatingError("being deleted"), BACKOFF.maximum),
        (AdmissionUnavailableError("failed calling webhook"), 300.0),
    ],
)
async def test_repeated_error_is_delayed_up_to_its_maximum(error: OperatorError, seconds: float) -> None:
    queue = RecordingQueue()
    for _ in range(20):
        queue.add_rate_limited(KEY)
    queue.delays.clear()
    await reconcile_once(Result(error=error), queue)
    assert is_close_to(seconds)(queue.delays[0])


async def test_requeue_after_is_scheduled() -> None:
    queue = RecordingQueue()
    await reconcile_once(Result(requeue_after=3.0), queue)
    assert queue.delays == [3.0]


async def test_requeue_after_is_scheduled_beside_a_retry() -> None:
    queue = RecordingQueue()
    await reconcile_once(Result(requeue_after=0.5, error=NameConflictError("Taken.")), queue)
    assert queue.delays[-1] == 0.5


async def test_success_schedules_nothing() -> None:
    queue = RecordingQueue()
    await reconcile_once(Result(), queue)
    assert queue.delays == []
    assert not queue.has_pending()


async def test_bug_is_logged_and_other_keys_continue(caplog: pytest.LogCaptureFixture) -> None:
    queue = RecordingQueue()
    reconciler = await reconcile_once(ZeroDivisionError("bug"), queue)
    assert reconciler.keys == [KEY, OTHER]
    assert is_close_to(BACKOFF.base)(queue.delays[0])
    assert "Unexpected error in reconcile" in caplog.text
    assert "ZeroDivisionError" in caplog.text


class PartlySynced(InformerSet):
    """Caches that are complete in the namespaces of `complete` only."""

    def __init__(self, *complete: str) -> None:
        super().__init__({})
        self._complete = complete

    def has_synced(self, namespace: str) -> bool:
        return namespace in self._complete


async def test_key_of_an_incomplete_namespace_is_dropped() -> None:
    """It is added again with all others of the namespace, once the caches are complete (EventHandlers.sync)."""
    queue, reconciler = RecordingQueue(), FakeReconciler(Result())
    controller = Controller(reconciler, queue, PartlySynced(KEY.namespace), Settings(workers=1))
    queue.add(NamespacedName("elsewhere", "iris"))
    queue.add(KEY)
    task = asyncio.create_task(controller.run())
    async with asyncio.timeout(5):
        await reconciler.reconciled.wait()
    task.cancel()
    await asyncio.wait([task])
    assert reconciler.keys == [KEY]


async def test_first_delay_after_a_webhook_failure_is_long() -> None:
    queue = RecordingQueue()
    await reconcile_once(Result(error=AdmissionUnavailableError("failed calling webhook")), queue)
    assert is_close_to(5.0)(queue.delays[0])


async def test_requests_of_a_reconcile_have_the_flow_of_its_key() -> None:
    flows = []

    class Recording(FakeReconciler):
        async def reconcile(self, key: NamespacedName) -> Result:
            flows.append(CURRENT_FLOW.get())
            return await super().reconcile(key)

    queue = WorkQueue[NamespacedName](namespace_of=lambda key: key.namespace)
    reconciler = Recording(Result(error=NameConflictError("Taken.")))
    task = asyncio.create_task(Controller(reconciler, queue, InformerSet({}), Settings(workers=1)).run())
    for expected in (1, 2):
        queue.add(KEY)
        async with asyncio.timeout(5):
            while len(flows) < expected:
                reconciler.reconciled.clear()
                await reconciler.reconciled.wait()
    task.cancel()
    await asyncio.wait([task])
    assert flows == [Flow("ml", Lane.NORMAL), Flow("ml", Lane.RETRY)]
