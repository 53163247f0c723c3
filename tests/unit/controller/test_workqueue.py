import asyncio
import random

import pytest
import uvloop

from modelservice_operator.controller.workqueue import BACKOFF_MAX, Priority, WorkQueue


@pytest.fixture
def queue() -> WorkQueue[str]:
    return WorkQueue(jitter=random.Random(1))


async def taken(queue: WorkQueue[str]) -> str:
    return await asyncio.wait_for(queue.get(), timeout=5)


def nothing_waits(queue: WorkQueue[str]) -> bool:
    return len(queue) == 0


async def test_a_key_waits_only_once(queue: WorkQueue[str]) -> None:
    queue.add("a")
    queue.add("a")
    assert await taken(queue) == "a"
    assert nothing_waits(queue)


async def test_first_come_first_served(queue: WorkQueue[str]) -> None:
    for key in "abc":
        queue.add(key)
    assert [await taken(queue) for _ in "abc"] == ["a", "b", "c"]


async def test_a_key_in_a_hand_waits_until_it_is_given_back(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await taken(queue)
    queue.add("a")
    waiter = asyncio.create_task(queue.get())
    queue.add("b")
    assert await asyncio.wait_for(waiter, 5) == "b"
    queue.done("a")
    assert await taken(queue) == "a"


async def test_what_happened_goes_before_what_is_looked_at_again(queue: WorkQueue[str]) -> None:
    queue.add("old", Priority.RESYNC)
    queue.add("new", Priority.EVENT)
    assert await taken(queue) == "new"


async def test_a_waiting_key_moves_ahead_and_is_still_taken_once(queue: WorkQueue[str]) -> None:
    queue.add("a", Priority.RESYNC)
    queue.add("b", Priority.RESYNC)
    queue.add("b", Priority.EVENT)
    assert [await taken(queue), await taken(queue)] == ["b", "a"]
    queue.done("a")
    queue.done("b")
    assert nothing_waits(queue)


async def test_failures_double_the_pause_up_to_a_minute(queue: WorkQueue[str]) -> None:
    pauses = []
    for _ in range(12):
        queue.add("a")
        await taken(queue)
        pauses.append(queue.add_rate_limited("a"))
    assert 0.16 <= pauses[0] <= 0.24
    assert 0.64 <= pauses[2] <= 0.96
    assert 0.8 * BACKOFF_MAX <= pauses[-1] <= 1.2 * BACKOFF_MAX


async def test_success_forgets_failures(queue: WorkQueue[str]) -> None:
    for _ in range(5):
        queue.add("a")
        await taken(queue)
        queue.add_rate_limited("a")
    queue.add("a")
    await taken(queue)
    queue.done("a")
    queue.add("a")
    await taken(queue)
    assert queue.add_rate_limited("a") <= 0.24


async def test_a_pause_that_the_server_asked_for_is_kept(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await taken(queue)
    assert 4 <= queue.add_rate_limited("a", after=5) <= 6


async def test_a_failed_key_comes_back_by_itself(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await taken(queue)
    queue.add_rate_limited("a")
    assert await taken(queue) == "a"


async def test_the_earlier_appointment_stands(queue: WorkQueue[str]) -> None:
    queue.add_after("a", 0.01)
    queue.add_after("a", 60)
    assert await taken(queue) == "a"
    queue.add_after("b", 60)
    queue.add_after("b", 0.01)
    assert await taken(queue) == "b"


async def test_what_comes_soon_comes_once(queue: WorkQueue[str]) -> None:
    queue.add_debounced("a", 0.02)
    queue.add_debounced("a", 0.03)
    assert queue.has_pending()
    assert len(queue) == 0
    assert await taken(queue) == "a"
    queue.done("a")
    await asyncio.sleep(0.05)  # nothing is left that could come
    assert not queue.has_pending()


async def test_what_waits_already_need_not_come_soon(queue: WorkQueue[str]) -> None:
    queue.add("a")
    queue.add_debounced("a", 0.01)
    assert await taken(queue) == "a"
    queue.done("a")
    assert not queue.has_pending()
    queue.add_debounced("a", 60)
    queue.forget("a")
    assert not queue.has_pending()


async def test_a_forgotten_key_does_not_come_back(queue: WorkQueue[str]) -> None:
    queue.add_after("a", 0.01)
    queue.forget("a")
    queue.add_after("b", 0.05)
    assert await taken(queue) == "b"
    assert nothing_waits(queue)


async def test_forgetting_something_unknown_is_no_error(queue: WorkQueue[str]) -> None:
    queue.forget("never seen")
    assert nothing_waits(queue)


async def test_no_key_is_ever_in_two_hands(queue: WorkQueue[str]) -> None:
    """Eight workers, many additions in a random order: one hand a key, and every addition is followed by a look."""
    chance = random.Random(7)
    hands: set[str] = set()
    added: dict[str, int] = {}
    looked: dict[str, int] = {}
    step = 0

    async def work() -> None:
        while True:
            key = await queue.get()
            assert key not in hands
            hands.add(key)
            looked[key] = step
            await asyncio.sleep(0)
            hands.discard(key)
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(8)]
    for step in range(2000):
        key = chance.choice("abcde")
        queue.add(key, chance.choice(list(Priority)))
        added[key] = step
        if chance.random() < 0.3:
            await asyncio.sleep(0)
    async with asyncio.timeout(10):
        while len(queue) or hands:  # noqa: ASYNC110 - the workers' own state is what is waited for
            await asyncio.sleep(0)
    for worker in workers:
        worker.cancel()
    results = await asyncio.gather(*workers, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert all(looked[key] >= added[key] for key in added)


async def test_a_later_appointment_is_kept_beside_an_earlier_one(queue: WorkQueue[str]) -> None:
    queue.add_after("a", 0.2)
    queue.add_after("a", 0.05)
    for _ in range(2):
        assert await asyncio.wait_for(queue.get(), 1) == "a"
        queue.done("a")
    assert len(queue) == 0


async def test_whether_something_goes_first_can_be_asked(queue: WorkQueue[str]) -> None:
    queue.add("again", Priority.RESYNC)
    assert not queue.has_higher_priority_than(Priority.RESYNC)
    queue.add("new")
    assert queue.has_higher_priority_than(Priority.RESYNC)
    assert [await queue.get(), await queue.get()] == ["new", "again"]


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.0001])
def test_what_is_due_at_once_is_an_appointment_like_any_other(seconds: float) -> None:
    """The loop that is used has another kind of handle for it."""

    async def appointed() -> str:
        queue: WorkQueue[str] = WorkQueue()
        queue.add_after("a", seconds)
        queue.add_after("a", 0.05)
        queue.add_after("a", seconds)
        return await taken(queue)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(appointed()) == "a"
