"""How much is asked of a server at once: less while it is busy. Knows nothing of Kubernetes."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

_COOLDOWN = 1.0
"""Seconds in which further failures count as one: they come from requests that were under way together."""


class ConcurrencyLimiter:
    """A limit that grows by one for each round of successes and halves with a failure (AIMD, as RFC 5681 has it)."""

    def __init__(self, max_limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`most`: requests at once that are never exceeded; it is where the limit starts."""
        self.limit = float(max_limit)
        self._max_limit = max_limit
        self._clock = clock
        self._decreased_at = -_COOLDOWN
        self._in_flight = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Wait for a turn, first come first served; `leave` must follow."""
        if self._in_flight < int(self.limit) and not self._waiters:
            self._in_flight += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._in_flight -= 1  # the turn came together with the end: somebody else has it
            self._wake_waiters()
            raise

    def release(self, *, overloaded: bool) -> None:
        """Give the turn back. `busy`: the server said that it is too much, or did not answer in time."""
        self._in_flight -= 1
        if not overloaded:
            self.limit = min(float(self._max_limit), self.limit + 1 / self.limit)
        elif self._clock() - self._decreased_at >= _COOLDOWN:
            self._decreased_at = self._clock()
            self.limit = max(1.0, self.limit / 2)
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        while self._waiters and self._in_flight < int(self.limit):
            turn = self._waiters.popleft()
            if not turn.done():
                self._in_flight += 1
                turn.set_result(None)
