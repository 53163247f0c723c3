"""The limit narrows when a server is busy and widens again; nobody is forgotten."""

import asyncio

import pytest

from modelservice_operator.client.concurrency import ConcurrencyLimiter
from tests.support.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_no_more_than_the_limit_are_inside_and_they_come_in_order(clock: ManualClock) -> None:
    throttle, inside = ConcurrencyLimiter(2, clock=clock), []

    async def visit(name: str) -> None:
        await throttle.acquire()
        inside.append(name)

    visits = [asyncio.create_task(visit(name)) for name in "abcd"]
    await asyncio.sleep(0)
    assert inside == ["a", "b"]
    throttle.release(overloaded=False)
    await visits[2]
    assert inside == ["a", "b", "c"]
    throttle.release(overloaded=False)
    await visits[3]
    assert inside == ["a", "b", "c", "d"]


async def test_failures_of_one_moment_halve_it_once_and_successes_widen_it_again(clock: ManualClock) -> None:
    throttle = ConcurrencyLimiter(8, clock=clock)
    for _ in range(4):
        await throttle.acquire()
    for _ in range(4):
        throttle.release(overloaded=True)
    assert throttle.limit == 4
    for _ in range(4):
        clock.seconds += 1
        await throttle.acquire()
        throttle.release(overloaded=True)
    assert throttle.limit == 1
    for _ in range(100):
        await throttle.acquire()
        throttle.release(overloaded=False)
    assert throttle.limit == 8


async def test_who_gives_up_waiting_takes_no_turn_away(clock: ManualClock) -> None:
    throttle = ConcurrencyLimiter(1, clock=clock)
    await throttle.acquire()
    waiting, last = asyncio.create_task(throttle.acquire()), asyncio.create_task(throttle.acquire())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    throttle.release(overloaded=False)
    await asyncio.wait_for(last, 1)


async def test_a_turn_that_comes_together_with_the_end_goes_on_to_the_next(clock: ManualClock) -> None:
    throttle = ConcurrencyLimiter(1, clock=clock)
    await throttle.acquire()
    ended, last = asyncio.create_task(throttle.acquire()), asyncio.create_task(throttle.acquire())
    await asyncio.sleep(0)
    throttle.release(overloaded=False)
    ended.cancel()
    await asyncio.wait_for(last, 1)
    assert ended.cancelled()
