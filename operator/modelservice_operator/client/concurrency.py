"""Limits concurrent requests: fewer while the server is overloaded, and a fair share for each namespace."""

import asyncio

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.flow_control import FairQueue, Flow

_COOLDOWN = 1.0
"""Seconds in which further failures count as one: they come from requests that were in flight together."""


class ConcurrencyLimiter:
    """Limit of concurrent requests, adapted by AIMD (RFC 5681): +1 per round of successes, halved by an overload.

    `FairQueue` divides the limit among the flows.
    """

    def __init__(self, max_limit: int, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """`max_limit`: concurrent requests that are never exceeded; the limit starts there."""
        self.limit = float(max_limit)
        self._max_limit = max_limit
        self._clock = clock
        self._decreased_at = -_COOLDOWN
        self._waiters: FairQueue[asyncio.Future[None]] = FairQueue()

    async def acquire(self, flow: Flow) -> None:
        """Wait for a slot. `release` must follow."""
        if self._waiters.take(flow, int(self.limit)):
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.push(waiter, flow)
        self._wake_waiters()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._waiters.release(flow)  # the slot was granted together with the cancellation: pass it on
            self._waiters.discard(waiter, flow)
            self._wake_waiters()
            raise

    def release(self, flow: Flow, *, overloaded: bool) -> None:
        """Free the slot. `overloaded`: the server rejected the load, or did not answer in time."""
        self._waiters.release(flow)
        if not overloaded:
            self.limit = min(float(self._max_limit), self.limit + 1 / self.limit)
        elif self._clock.monotonic() - self._decreased_at >= _COOLDOWN:
            self._decreased_at = self._clock.monotonic()
            self.limit = max(1.0, self.limit / 2)
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        while (taken := self._waiters.pop(int(self.limit))) is not None:
            waiter, flow = taken
            if waiter.cancelled():
                self._waiters.release(flow)  # cancelled, and its task has not run yet
            else:
                waiter.set_result(None)
