"""The limit decreases while a server is overloaded and increases again; no waiter is lost."""

import asyncio

import pytest

from modelservice_operator.client.concurrency import ConcurrencyLimiter
from tests.support.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_limit_is_kept_in_order_of_arrival(clock: ManualClock) -> None:
    limiter, admitted = ConcurrencyLimiter(2, clock=clock), []

    async def visit(name: str) -> None:
        await limiter.acquire()
        admitted.append(name)

    visits = [asyncio.create_task(visit(name)) for name in "abcd"]
    await asyncio.sleep(0)
    assert admitted == ["a", "b"]
    limiter.release(overloaded=False)
    await visits[2]
    assert admitted == ["a", "b", "c"]
    limiter.release(overloaded=False)
    await visits[3]
    assert admitted == ["a", "b", "c", "d"]


async def test_limit_halves_once_per_overload_and_recovers(clock: ManualClock) -> None:
    limiter = ConcurrencyLimiter(8, clock=clock)
    for _ in range(4):
        await limiter.acquire()
    for _ in range(4):
        limiter.release(overloaded=True)
    assert limiter.limit == 4
    for _ in range(4):
        clock.seconds += 1
        await limiter.acquire()
        limiter.release(overloaded=True)
    assert limiter.limit == 1
    for _ in range(100):
        await limiter.acquire()
        limiter.release(overloaded=False)
    assert limiter.limit == 8


async def test_cancelled_waiter_takes_no_slot(clock: ManualClock) -> None:
    limiter = ConcurrencyLimiter(1, clock=clock)
    await limiter.acquire()
    waiting, last = asyncio.create_task(limiter.acquire()), asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    limiter.release(overloaded=False)
    await asyncio.wait_for(last, 1)


async def test_cancelled_waiter_passes_its_slot_on(clock: ManualClock) -> None:
    limiter = ConcurrencyLimiter(1, clock=clock)
    await limiter.acquire()
    ended, last = asyncio.create_task(limiter.acquire()), asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    limiter.release(overloaded=False)
    ended.cancel()
    await asyncio.wait_for(last, 1)
    assert ended.cancelled()
