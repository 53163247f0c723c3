"""Restarts the tasks of a process, so that an unforeseen failure of one does not end the others."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.wait import Backoff
from modelservice_operator.errors import LeadershipLostError

logger = logging.getLogger(__name__)

RESTART_BACKOFF = Backoff(base=1.0, maximum=60.0, jitter=0.2)
STABLE_SECONDS = 300.0
"""A task that ran for this long has recovered: its next failure counts as the first one."""


class Supervisor(asyncio.TaskGroup):
    """Runs tasks until it is cancelled or leadership is lost; restarts those that fail or end, with backoff."""

    def __init__(self, *, backoff: Backoff = RESTART_BACKOFF, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__()
        self._backoff = backoff
        self._clock = clock

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Start `run`, which should never end, and start it again when it does. Only cancellation ends it.

        LeadershipLostError ends all tasks: the process must stop, since another replica may lead.
        """
        self.create_task(self._keep_running(name, run), name=name)

    async def _keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            started = self._clock.monotonic()
            await _run_once(name, run)
            failures = 1 if self._clock.monotonic() - started > STABLE_SECONDS else failures + 1
            delay = self._backoff.delay(failures)
            logger.info("Restarting task %s in %.1f s", name, delay)
            await asyncio.sleep(delay)


async def _run_once(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run a task to its end, and log that end. Raises LeadershipLostError only."""
    try:
        await run()
    except LeadershipLostError:
        raise
    except Exception:
        logger.exception("Task %s failed", name)
    else:
        logger.error("Task %s ended", name)
