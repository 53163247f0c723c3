"""When to stop correcting: somebody who reverts us at once would be reverted for ever. Knows nothing of Kubernetes."""

import time
from collections import deque
from collections.abc import Callable, Hashable

MAX_CORRECTIONS = 3
"""Corrections of one field in one window; the next one would be a fight."""
WINDOW_SECONDS = 60.0
COOLDOWN_SECONDS = 600.0
"""Seconds without a write after that."""


class DriftLimiter:
    """Counts corrections of the same field of the same object."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: dict[Hashable, deque[float]] = {}

    def allow(self, key: Hashable) -> bool:
        """Whether `what` may be corrected once more."""
        times = self._times.get(key)
        if times is None or len(times) < MAX_CORRECTIONS:
            return True
        return times[-1] - times[0] > WINDOW_SECONDS or self._clock() - times[-1] >= COOLDOWN_SECONDS

    def record(self, key: Hashable) -> None:
        """Take in that `what` was corrected: an attempt that failed corrected nothing."""
        now = self._clock()
        self._drop_old(now)
        self._times.setdefault(key, deque(maxlen=MAX_CORRECTIONS)).append(now)

    def _drop_old(self, now: float) -> None:
        for what in [what for what, times in self._times.items() if now - times[-1] >= COOLDOWN_SECONDS]:
            del self._times[what]
