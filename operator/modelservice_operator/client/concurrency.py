"""How much is asked of a server at once: less while it is busy. Knows nothing of Kubernetes."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

_COOLING = 1.0
"""Seconds in which further failures count as one: they come from requests that were under way together."""


class Throttle:
    """A limit that grows by one for each round of successes and halves with a failure (AIMD, as RFC 5681 has it)."""

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`most`: requests at once that are never exceeded; it is where the limit starts."""
        self.limit = float(most)
        self._most = most
        self._clock = clock
        self._narrowed = -_COOLING
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Wait for a turn, first come first served; `leave` must follow."""
        if self._inside < int(self.limit) and not self._waiting:
            self._inside += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._inside -= 1  # the turn came together with the end: somebody else has it
            self._admit()
            raise

    def leave(self, *, busy: bool) -> None:
        """Give the turn back. `busy`: the server said that it is too much, or did not answer in time."""
        self._inside -= 1
        if not busy:
            self.limit = min(float(self._most), self.limit + 1 / self.limit)
        elif self._clock() - self._narrowed >= _COOLING:
            self._narrowed = self._clock()
            self.limit = max(1.0, self.limit / 2)
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._inside < int(self.limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self._inside += 1
                turn.set_result(None)
