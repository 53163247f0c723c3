import asyncio
import random

import pytest
import uvloop

from modelservice_operator.apimachinery.flow_control import Lane
from modelservice_operator.controller.workqueue import BACKOFF, Priority, WorkQueue
from tests.support.clock import ManualClock


@pytest.fixture
def queue() -> WorkQueue[str]:
    return WorkQueue(rng=random.Random(1))


async def get(queue: WorkQueue[str]) -> str:
    return await asyncio.wait_for(queue.get(), timeout=5)


def is_empty(queue: WorkQueue[str]) -> bool:
    return len(queue) == 0


async def test_waiting_key_is_not_added_twice(queue: WorkQueue[str]) -> None:
    queue.add("a")
    queue.add("a")
    assert await get(queue) == "a"
    assert is_empty(queue)


async def test_keys_are_processed_in_order(queue: WorkQueue[str]) -> None:
    for key in "abc":
        queue.add(key)
    assert [await get(queue) for _ in "abc"] == ["a", "b", "c"]


async def test_key_is_not_processed_concurrently(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await get(queue)
    queue.add("a")
    waiter = asyncio.create_task(queue.get())
    queue.add("b")
    assert await asyncio.wait_for(waiter, 5) == "b"
    queue.done("a")
    assert await get(queue) == "a"


async def test_changes_precede_resync(queue: WorkQueue[str]) -> None:
    queue.add("old", Priority.RESYNC)
    queue.add("new", Priority.EVENT)
    assert await get(queue) == "new"


async def test_waiting_key_can_get_a_higher_priority(queue: WorkQueue[str]) -> None:
    queue.add("a", Priority.RESYNC)
    queue.add("b", Priority.RESYNC)
    queue.add("b", Priority.EVENT)
    assert [await get(queue), await get(queue)] == ["b", "a"]
    queue.done("a")
    queue.done("b")
    assert is_empty(queue)


async def test_failures_double_the_delay_up_to_a_minute(queue: WorkQueue[str]) -> None:
    delays = []
    for _ in range(12):
        queue.add("a")
        await get(queue)
        delays.append(queue.add_rate_limited("a"))
        queue.done("a")
    assert 0.16 <= delays[0] <= 0.24
    assert 0.64 <= delays[2] <= 0.96
    assert 0.8 * BACKOFF.maximum <= delays[-1] <= 1.2 * BACKOFF.maximum


async def test_forget_resets_failures(queue: WorkQueue[str]) -> None:
    for _ in range(5):
        queue.add("a")
        await get(queue)
        queue.add_rate_limited("a")
        queue.done("a")
    queue.add("a")
    await get(queue)
    queue.forget("a")
    queue.done("a")
    queue.add("a")
    await get(queue)
    assert queue.add_rate_limited("a") <= 0.24


async def test_delay_of_the_server_is_used(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await get(queue)
    assert 4 <= queue.add_rate_limited("a", after=5) <= 6


async def test_failed_key_is_added_again(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await get(queue)
    queue.add_rate_limited("a")
    queue.done("a")
    assert await get(queue) == "a"


async def test_add_after_keeps_the_earlier_deadline(queue: WorkQueue[str]) -> None:
    queue.add_after("a", 0.01)
    queue.add_after("a", 60)
    assert await get(queue) == "a"
    queue.add_after("b", 60)
    queue.add_after("b", 0.01)
    assert await get(queue) == "b"


async def test_debounced_adds_are_one_add(queue: WorkQueue[str]) -> None:
    queue.add_debounced("a", 0.02)
    queue.add_debounced("a", 0.03)
    assert queue.has_pending()
    assert len(queue) == 0
    assert await get(queue) == "a"
    queue.done("a")
    await asyncio.sleep(0.05)  # longer than both intervals
    assert not queue.has_pending()


async def test_debounce_ignores_queued_keys(queue: WorkQueue[str]) -> None:
    queue.add("a")
    queue.add_debounced("a", 0.01)
    assert await get(queue) == "a"
    queue.done("a")
    assert not queue.has_pending()


async def test_forget_keeps_a_debounced_event(queue: WorkQueue[str]) -> None:
    queue.add_debounced("a", 0.01)
    queue.forget("a")
    assert queue.has_pending()
    assert await get(queue) == "a"


async def test_forgotten_key_is_not_added_again(queue: WorkQueue[str]) -> None:
    queue.add_after("a", 0.01)
    queue.forget("a")
    queue.add_after("b", 0.05)
    assert await get(queue) == "b"
    assert is_empty(queue)


async def test_forget_accepts_unknown_keys(queue: WorkQueue[str]) -> None:
    queue.forget("unknown")
    assert is_empty(queue)


async def test_concurrent_workers_never_share_a_key(queue: WorkQueue[str]) -> None:
    """Eight workers and many adds in a random order: every add is followed by a run that begins after it."""
    rng = random.Random(7)
    processing: set[str] = set()
    added: dict[str, int] = {}
    started: dict[str, int] = {}
    step = 0

    async def work() -> None:
        while True:
            key = await queue.get()
            assert key not in processing
            processing.add(key)
            started[key] = step
            await asyncio.sleep(0)
            processing.discard(key)
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(8)]
    for step in range(2000):
        key = rng.choice("abcde")
        queue.add(key, rng.choice(list(Priority)))
        added[key] = step
        if rng.random() < 0.3:
            await asyncio.sleep(0)
    async with asyncio.timeout(10):
        while len(queue) or processing:  # noqa: ASYNC110 - waits for the state of the workers
            await asyncio.sleep(0)
    for worker in workers:
        worker.cancel()
    results = await asyncio.gather(*workers, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert all(started[key] >= added[key] for key in added)


async def test_get_cancels_the_scheduled_add(queue: WorkQueue[str]) -> None:
    """The run that follows decides when the next one is due."""
    queue.add_after("a", 0.05)
    queue.add("a")
    assert await get(queue) == "a"
    queue.done("a")
    queue.add_after("b", 0.1)
    assert await get(queue) == "b"
    assert is_empty(queue)


async def test_has_higher_priority_key(queue: WorkQueue[str]) -> None:
    queue.add("again", Priority.RESYNC)
    assert not queue.has_higher_priority_than(Priority.RESYNC)
    queue.add("new")
    assert queue.has_higher_priority_than(Priority.RESYNC)
    assert [await queue.get(), await queue.get()] == ["new", "again"]


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.0001])
def test_immediately_due_timer_counts_as_scheduled(seconds: float) -> None:
    """The event loop of the operator, uvloop, has another kind of handle for it."""

    async def add_three_times() -> str:
        queue: WorkQueue[str] = WorkQueue()
        queue.add_after("a", seconds)
        queue.add_after("a", 0.05)
        queue.add_after("a", seconds)
        return await get(queue)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(add_three_times()) == "a"


async def test_namespaces_take_turns_and_share_the_workers() -> None:
    queue: WorkQueue[str] = WorkQueue(workers=4, namespace_of=lambda key: key[0])
    for key in ("a1", "a2", "a3", "b1"):
        queue.add(key)
    assert [await get(queue) for _ in range(3)] == ["a1", "b1", "a2"]
    waiter = asyncio.create_task(queue.get())  # two of the four workers have keys of namespace a
    queue.add("b2")
    assert await asyncio.wait_for(waiter, 5) == "b2"
    queue.done("a1")
    assert await get(queue) == "a3"


async def fail(queue: WorkQueue[str], key: str) -> None:
    """Process a key once, without success."""
    queue.add(key)
    await get(queue)
    queue.add_rate_limited(key, after=60)
    queue.done(key)


async def test_failed_key_waits_behind_the_others(queue: WorkQueue[str]) -> None:
    await fail(queue, "bad")
    queue.add("bad")  # an event does not change that
    queue.add("checked", Priority.RESYNC)
    queue.add("good")
    assert not queue.has_higher_priority_than(Priority.EVENT)
    keys = [await get(queue) for _ in range(3)]
    assert keys == ["good", "checked", "bad"]
    assert queue.flow_of("bad").lane is Lane.RETRY


async def test_failed_keys_do_not_count_as_pending(queue: WorkQueue[str]) -> None:
    await fail(queue, "bad")
    queue.add("bad")
    assert len(queue) == 1
    assert not queue.has_pending()
    assert not queue.has_higher_priority_than(Priority.RESYNC)


async def test_success_returns_a_key_to_its_lane(queue: WorkQueue[str]) -> None:
    await fail(queue, "a")
    queue.add("a")
    await get(queue)
    queue.forget("a")
    queue.done("a")
    queue.add("a")
    await get(queue)
    assert queue.flow_of("a").lane is Lane.NORMAL


async def test_one_key_wakes_one_worker(queue: WorkQueue[str]) -> None:
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.add("a")
    await asyncio.sleep(0.01)
    assert [worker.result() for worker in workers if worker.done()] == ["a"]
    queue.add("b")
    queue.add("c")
    assert {await worker for worker in workers} == {"a", "b", "c"}


async def test_cancelled_worker_leaves_its_key_to_another(queue: WorkQueue[str]) -> None:
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")  # wakes the first
    first.cancel()
    assert await asyncio.wait_for(second, timeout=5) == "a"
    assert first.cancelled()


async def test_waits_begin_when_workers_are_there() -> None:
    clock = ManualClock(100)
    queue = WorkQueue[str](clock=clock)
    for key in "ab":
        queue.add(key)
        clock.seconds += 500
    assert queue.oldest_wait == 1000
    queue.restart_waits()
    clock.seconds += 3
    assert queue.oldest_wait == 3
    assert await get(queue) == "a"
    queue.add("c")
    clock.seconds += 1
    assert queue.oldest_wait == 4
    assert [await get(queue), await get(queue), queue.oldest_wait] == ["b", "c", 0]
