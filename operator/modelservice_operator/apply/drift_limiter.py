"""Limits how often a field is corrected: another client that reverts every correction would never stop."""

import math
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

from cachetools import TTLCache

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock

MAX_CORRECTIONS = 3
"""Corrections of one field within the window; another one would only be reverted."""
WINDOW_SECONDS = 60.0
COOLDOWN_SECONDS = 600.0
"""Seconds without a correction after that."""


@dataclass(slots=True)
class _Corrections:
    """Times of the latest corrections of one key, by the monotonic clock, and the client that made them necessary."""

    times: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_CORRECTIONS))
    manager: str | None = None


class DriftLimiter:
    """Counts the corrections of each key, such as a field of an object. Knows nothing of Kubernetes."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._corrections: TTLCache[Hashable, _Corrections] = TTLCache(
            math.inf, COOLDOWN_SECONDS, timer=clock.monotonic
        )

    def allow(self, key: Hashable) -> bool:
        """Return True if `key` may be corrected now."""
        known = self._corrections.get(key)
        return known is None or len(known.times) < MAX_CORRECTIONS or known.times[-1] - known.times[0] > WINDOW_SECONDS

    def record(self, key: Hashable, manager: str | None = None) -> None:
        """Count a correction of `key` that succeeded. `manager` is the client that had changed it, if that is known."""
        known = self._corrections.get(key) or _Corrections()
        known.times.append(self._clock.monotonic())
        known.manager = manager or known.manager
        self._corrections[key] = known  # stored again, so that the cooldown begins now

    def last_manager(self, key: Hashable) -> str | None:
        """Return the client that last changed `key`; None if it is not known."""
        known = self._corrections.get(key)
        return known.manager if known is not None else None
