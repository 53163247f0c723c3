"""When to stop correcting: somebody who reverts us at once would be reverted for ever. Knows nothing of Kubernetes."""

import time
from collections import deque
from collections.abc import Callable, Hashable

MOST = 3
"""Corrections of one field in one window; the next one would be a fight."""
WINDOW = 60.0
TRUCE = 600.0
"""Seconds without a write after that."""


class Corrections:
    """Counts corrections of the same field of the same object."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: dict[Hashable, deque[float]] = {}

    def allows(self, what: Hashable) -> bool:
        """Whether `what` may be corrected once more."""
        times = self._times.get(what)
        if times is None or len(times) < MOST:
            return True
        return times[-1] - times[0] > WINDOW or self._clock() - times[-1] >= TRUCE

    def count(self, what: Hashable) -> None:
        """Take in that `what` was corrected: an attempt that failed corrected nothing."""
        now = self._clock()
        self._drop_old(now)
        self._times.setdefault(what, deque(maxlen=MOST)).append(now)

    def _drop_old(self, now: float) -> None:
        for what in [what for what, times in self._times.items() if now - times[-1] >= TRUCE]:
            del self._times[what]
