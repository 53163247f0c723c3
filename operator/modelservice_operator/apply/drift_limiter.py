"""Limits how often something is corrected: another client that undoes every correction would never stop."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cachetools import TTLCache

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.wait import Backoff

LONGEST_PAUSE_SECONDS = 600.0
MEMORY_SECONDS = 2 * LONGEST_PAUSE_SECONDS
"""Seconds since the last correction after which a key starts again with none: a pause, and as long without a change."""


class Window(NamedTuple):
    """A number of corrections within a time, in seconds. One more would only be undone."""

    corrections: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DriftPolicy:
    """Number of corrections that shows another client to undo them, and the pauses from then on."""

    windows: tuple[Window, ...]
    pause: Backoff

    @property
    def remembered(self) -> int:
        """Corrections whose times are needed."""
        return max(window.corrections for window in self.windows)

    def is_exceeded(self, newest_first: Sequence[float]) -> bool:
        """Return True if the times of the latest corrections fill a window."""
        return any(
            len(newest_first) >= window.corrections
            and newest_first[0] - newest_first[window.corrections - 1] <= window.seconds
            for window in self.windows
        )


MAX_CORRECTIONS = 3
FAST, SLOW = Window(MAX_CORRECTIONS, 60.0), Window(5, LONGEST_PAUSE_SECONDS)
"""A client that reacts immediately, and one that acts every one to two minutes, such as a GitOps tool."""
FIELD_POLICY = DriftPolicy((FAST, SLOW), Backoff(base=LONGEST_PAUSE_SECONDS, maximum=LONGEST_PAUSE_SECONDS))
"""For a field: the child works with the other value as well, and each correction may restart pods."""
EXISTENCE_POLICY = DriftPolicy((FAST, SLOW), Backoff(base=30.0, maximum=LONGEST_PAUSE_SECONDS))
"""For a child as a whole: nothing works without it, so it is created again soon, then later and later."""
CHILD_POLICY = DriftPolicy(
    (Window(100, LONGEST_PAUSE_SECONDS),), Backoff(base=LONGEST_PAUSE_SECONDS, maximum=LONGEST_PAUSE_SECONDS)
)
"""For all fields of a child together: a client may change another one each time."""


@dataclass(slots=True)
class _Corrections:
    """Corrections of one key; all times are of the monotonic clock."""

    times: tuple[float, ...] = ()
    """Newest first. A tuple: a deque of one item takes 600 bytes, and a change of all objects needs thousands."""
    pauses: int = 0
    paused_until: float = field(default=-math.inf)
    manager: str | None = None
    """The client that made the latest ones necessary, if that is known."""


class DriftLimiter:
    """Counts the corrections of each key, such as a field of an object. Knows nothing of Kubernetes."""

    def __init__(self, policy: DriftPolicy = FIELD_POLICY, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._policy = policy
        self._clock = clock
        self._corrections: TTLCache[Hashable, _Corrections] = TTLCache(math.inf, MEMORY_SECONDS, timer=clock.monotonic)

    def __contains__(self, key: Hashable) -> bool:
        """Return True if `key` was corrected a short time ago."""
        return key in self._corrections

    def allow(self, key: Hashable) -> bool:
        """Return True if `key` may be corrected now."""
        known = self._corrections.get(key)
        return known is None or self._clock.monotonic() >= known.paused_until

    def record(self, key: Hashable, manager: str | None = None) -> None:
        """Count a correction of `key` that succeeded. `manager` is the client that had changed it, if that is known.

        After the first pause every correction is followed by another one, until the key is forgotten.
        """
        known = self._corrections.get(key) or _Corrections()
        now = self._clock.monotonic()
        known.times = (now, *known.times)[: self._policy.remembered]
        known.manager = manager or known.manager
        if known.pauses or self._policy.is_exceeded(known.times):
            known.pauses += 1
            known.paused_until = now + self._policy.pause.delay(known.pauses)
        self._corrections[key] = known  # stored again, so that the memory begins now

    def last_manager(self, key: Hashable) -> str | None:
        """Return the client that last changed `key`; None if it is not known."""
        known = self._corrections.get(key)
        return known.manager if known is not None else None
