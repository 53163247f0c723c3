"""The limit decreases while a server is overloaded and increases again; no waiter is lost."""

import asyncio

import pytest

from modelservice_operator.apimachinery.flow_control import Flow, Lane
from modelservice_operator.client.concurrency import ConcurrencyLimiter
from tests.support.clock import ManualClock

FLOW = Flow("ml")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_limit_is_kept_in_order_of_arrival(clock: ManualClock) -> None:
    limiter, admitted = ConcurrencyLimiter(4, clock=clock), []

    async def visit(name: str) -> None:
        await limiter.acquire(FLOW)
        admitted.append(name)

    visits = [asyncio.create_task(visit(name)) for name in "abcd"]
    await asyncio.sleep(0)
    assert admitted == ["a", "b"]
    limiter.release(FLOW, overloaded=False)
    await visits[2]
    assert admitted == ["a", "b", "c"]
    limiter.release(FLOW, overloaded=False)
    await visits[3]
    assert admitted == ["a", "b", "c", "d"]


async def test_limit_halves_once_per_overload_and_recovers(clock: ManualClock) -> None:
    limiter = ConcurrencyLimiter(8, clock=clock)
    for _ in range(4):
        await limiter.acquire(FLOW)
    for _ in range(4):
        limiter.release(FLOW, overloaded=True)
    assert limiter.limit == 4
    for _ in range(4):
        clock.seconds += 1
        await limiter.acquire(FLOW)
        limiter.release(FLOW, overloaded=True)
    assert limiter.limit == 1
    for _ in range(100):
        await limiter.acquire(FLOW)
        limiter.release(FLOW, overloaded=False)
    assert limiter.limit == 8


async def test_cancelled_waiter_takes_no_slot(clock: ManualClock) -> None:
    limiter = ConcurrencyLimiter(1, clock=clock)
    await limiter.acquire(FLOW)
    waiting, last = asyncio.create_task(limiter.acquire(FLOW)), asyncio.create_task(limiter.acquire(FLOW))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    limiter.release(FLOW, overloaded=False)
    await asyncio.wait_for(last, 1)


async def test_cancelled_waiter_passes_its_slot_on(clock: ManualClock) -> None:
    limiter = ConcurrencyLimiter(1, clock=clock)
    await limiter.acquire(FLOW)
    ended, last = asyncio.create_task(limiter.acquire(FLOW)), asyncio.create_task(limiter.acquire(FLOW))
    await asyncio.sleep(0)
    limiter.release(FLOW, overloaded=False)
    ended.cancel()
    await asyncio.wait_for(last, 1)
    assert ended.cancelled()


async def test_hanging_requests_leave_slots_to_another_namespace(clock: ManualClock) -> None:
    limiter = ConcurrencyLimiter(16, clock=clock)
    hanging = [asyncio.create_task(limiter.acquire(Flow("bad"))) for _ in range(100)]
    await asyncio.sleep(0)
    assert sum(task.done() for task in hanging) == 8
    for _ in range(8):
        await asyncio.wait_for(limiter.acquire(FLOW), 1)
    for task in hanging:
        task.cancel()


async def test_status_write_precedes_children_of_its_namespace(clock: ManualClock) -> None:
    limiter, admitted = ConcurrencyLimiter(1, clock=clock), []
    await limiter.acquire(FLOW)

    async def visit(flow: Flow) -> None:
        await limiter.acquire(flow)
        admitted.append(flow.lane)
        limiter.release(flow, overloaded=False)

    lanes = (Lane.RETRY, Lane.NORMAL, Lane.URGENT)
    visits = [asyncio.create_task(visit(Flow("ml", lane))) for lane in lanes]
    await asyncio.sleep(0)
    limiter.release(FLOW, overloaded=False)
    await asyncio.gather(*visits)
    assert admitted == sorted(lanes)


async def test_waiter_cancelled_before_its_slot_takes_none(clock: ManualClock) -> None:
    """A future can be cancelled while its task has not run yet: its slot goes to the next waiter."""
    limiter = ConcurrencyLimiter(1, clock=clock)
    await limiter.acquire(FLOW)
    waiting, last = asyncio.create_task(limiter.acquire(FLOW)), asyncio.create_task(limiter.acquire(FLOW))
    await asyncio.sleep(0)
    waiting.cancel()
    limiter.release(FLOW, overloaded=False)
    await asyncio.wait_for(last, 1)
