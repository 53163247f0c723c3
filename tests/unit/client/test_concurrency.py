"""The limit narrows when a server is busy and widens again; nobody is forgotten."""

import asyncio

import pytest

from modelservice_operator.client.concurrency import Throttle


class Clock:
    """Time that stands still until a test moves it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_no_more_than_the_limit_are_inside_and_they_come_in_order(clock: Clock) -> None:
    throttle, inside = Throttle(2, clock=clock), []

    async def visit(name: str) -> None:
        await throttle.enter()
        inside.append(name)

    visits = [asyncio.create_task(visit(name)) for name in "abcd"]
    await asyncio.sleep(0)
    assert inside == ["a", "b"]
    throttle.leave(busy=False)
    await visits[2]
    assert inside == ["a", "b", "c"]
    throttle.leave(busy=False)
    await visits[3]
    assert inside == ["a", "b", "c", "d"]


async def test_failures_of_one_moment_halve_it_once_and_successes_widen_it_again(clock: Clock) -> None:
    throttle = Throttle(8, clock=clock)
    for _ in range(4):
        await throttle.enter()
    for _ in range(4):
        throttle.leave(busy=True)
    assert throttle.limit == 4
    for _ in range(4):
        clock.now += 1
        await throttle.enter()
        throttle.leave(busy=True)
    assert throttle.limit == 1
    for _ in range(100):
        await throttle.enter()
        throttle.leave(busy=False)
    assert throttle.limit == 8


async def test_who_gives_up_waiting_takes_no_turn_away(clock: Clock) -> None:
    throttle = Throttle(1, clock=clock)
    await throttle.enter()
    waiting, last = asyncio.create_task(throttle.enter()), asyncio.create_task(throttle.enter())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    throttle.leave(busy=False)
    await asyncio.wait_for(last, 1)


async def test_a_turn_that_comes_together_with_the_end_goes_on_to_the_next(clock: Clock) -> None:
    throttle = Throttle(1, clock=clock)
    await throttle.enter()
    ended, last = asyncio.create_task(throttle.enter()), asyncio.create_task(throttle.enter())
    await asyncio.sleep(0)
    throttle.leave(busy=False)
    ended.cancel()
    await asyncio.wait_for(last, 1)
    assert ended.cancelled()
