"""Limits concurrent requests: fewer while the server is overloaded. Knows nothing of Kubernetes."""

import asyncio
from collections import deque

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock

_COOLDOWN = 1.0
"""Seconds in which further failures count as one: they come from requests that were in flight together."""


class ConcurrencyLimiter:
    """Limit of concurrent requests, adapted by AIMD (RFC 5681): +1 per round of successes, halved by an overload."""

    def __init__(self, max_limit: int, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """`max_limit`: concurrent requests that are never exceeded; the limit starts there."""
        self.limit = float(max_limit)
        self._max_limit = max_limit
        self._clock = clock
        self._decreased_at = -_COOLDOWN
        self._in_flight = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Wait for a slot, first come first served. `release` must follow."""
        if self._in_flight < int(self.limit) and not self._waiters:
            self._in_flight += 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._in_flight -= 1  # the slot was granted together with the cancellation: pass it on
            self._wake_waiters()
            raise

    def release(self, *, overloaded: bool) -> None:
        """Free the slot. `overloaded`: the server rejected the load, or did not answer in time."""
        self._in_flight -= 1
        if not overloaded:
            self.limit = min(float(self._max_limit), self.limit + 1 / self.limit)
        elif self._clock.monotonic() - self._decreased_at >= _COOLDOWN:
            self._decreased_at = self._clock.monotonic()
            self.limit = max(1.0, self.limit / 2)
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        while self._waiters and self._in_flight < int(self.limit):
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._in_flight += 1
                waiter.set_result(None)
