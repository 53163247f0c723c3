"""Exponential backoff with jitter."""

import random
from dataclasses import dataclass

_MAX_DOUBLINGS = 62
"""More would overflow a float before the maximum applies."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double with each consecutive failure. All times are in seconds."""

    base: float
    maximum: float
    jitter: float
    """Maximum fraction, from 0 to 1, by which a delay is shortened at random to spread the load of retries."""

    def delay(self, failures: int) -> float:
        """Return the time to wait after `failures` consecutive failures (1 or more)."""
        seconds = min(self.base * 2.0 ** min(failures - 1, _MAX_DOUBLINGS), self.maximum)
        return seconds * random.uniform(1.0 - self.jitter, 1.0)  # noqa: S311 - spreads load, guards nothing
