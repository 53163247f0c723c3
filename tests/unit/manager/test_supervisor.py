"""A task that fails or ends is started again; others do not notice."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import pytest

from modelservice_operator.apimachinery.wait import Backoff
from modelservice_operator.errors import LeadershipLostError
from modelservice_operator.manager.supervisor import STABLE_SECONDS, Supervisor
from tests.support.clock import ManualClock

QUICK = Backoff(base=0.01, maximum=0.04)


class Task:
    """Counts its runs, and ends each as told."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.runs = 0
        self.is_stable = asyncio.Event()

    async def run(self) -> None:
        self.runs += 1
        if not self.outcomes:
            self.is_stable.set()
            await asyncio.Event().wait()
        elif (outcome := self.outcomes.pop(0)) is not None:
            raise outcome


async def supervise(tasks: Mapping[str, Callable[[], Awaitable[None]]], **options: Any) -> None:
    """Run tasks until cancelled."""
    async with Supervisor(**{"backoff": QUICK} | options) as supervisor:
        for name, run in tasks.items():
            supervisor.start(name, run)


async def run_until(event: asyncio.Event, supervised: Coroutine[Any, Any, None]) -> None:
    """Cancel a supervisor once an event is set."""
    running = asyncio.create_task(supervised)
    async with asyncio.timeout(5):
        await event.wait()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


async def test_failed_task_is_restarted_beside_others(caplog: pytest.LogCaptureFixture) -> None:
    failing, other = Task(KeyError("first"), None, ValueError("third")), Task()
    with caplog.at_level(logging.ERROR):
        await run_until(failing.is_stable, supervise({"failing": failing.run, "other": other.run}))
    assert (failing.runs, other.runs) == (4, 1)
    messages = [(record.getMessage(), bool(record.exc_info)) for record in caplog.records]
    assert messages == [("Task failing failed", True), ("Task failing ended", False), ("Task failing failed", True)]


async def test_lost_leadership_ends_all_tasks() -> None:
    other = Task()
    with pytest.raises(ExceptionGroup) as caught:
        await supervise({"other": other.run, "elector": Task(LeadershipLostError("lost")).run})
    assert isinstance(caught.value.exceptions[0], LeadershipLostError)
    assert other.runs == 1


async def test_delay_grows_until_the_task_is_stable(caplog: pytest.LogCaptureFixture) -> None:
    clock, task = ManualClock(), Task(*[KeyError()] * 4)

    async def run() -> None:
        if task.runs == 3:
            clock.seconds += STABLE_SECONDS + 1
        await task.run()

    with caplog.at_level(logging.INFO):
        slow = Backoff(base=0.1, maximum=9)
        await run_until(task.is_stable, supervise({"it": run}, backoff=slow, clock=clock))
    delays = [record.getMessage() for record in caplog.records if "Restarting" in record.getMessage()]
    assert [text.split()[-2] for text in delays] == ["0.1", "0.2", "0.4", "0.1"]
