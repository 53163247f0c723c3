"""The retry policy: what follows each outcome of a reconcile."""

import asyncio
from collections.abc import Callable

import pytest

from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.cache.informers import InformerSet
from modelservice_operator.controller.controller import TERMINAL_ERROR_INTERVAL, Controller
from modelservice_operator.controller.reconciler import Reconciler, Result
from modelservice_operator.controller.workqueue import BACKOFF, WorkQueue
from modelservice_operator.errors import ConflictError, NameConflictError, OperatorError, ServerOverloadedError
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
    assert "unexpected error in reconcile" in caplog.text
    assert "ZeroDivisionError" in caplog.text
