"""Exponential backoff with jitter."""

import random
from dataclasses import dataclass

_MAX_DOUBLINGS = 62
"""More would overflow before the maximum is applied."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double with each consecutive failure. All times are in seconds."""

    base: float
    maximum: float
    jitter: float
    """Largest part of a delay that is taken away at random, from 0 to 1: it spreads the load of concurrent retries."""

    def delay(self, failures: int) -> float:
        """Return the time to wait after so many consecutive `failures`, at least one."""
        seconds = min(self.base * 2.0 ** min(failures - 1, _MAX_DOUBLINGS), self.maximum)
        return seconds * random.uniform(1.0 - self.jitter, 1.0)  # noqa: S311 - spreads load, guards nothing
