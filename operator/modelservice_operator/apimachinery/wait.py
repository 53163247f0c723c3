"""Exponential backoff (apimachinery, util/wait.Backoff)."""

import random
from dataclasses import dataclass

_MAX_DOUBLINGS = 16
"""2 ** 16 times any base is above every maximum; more would overflow a float one day."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double with each failure, from `base` up to `maximum` seconds, spread by `jitter`.

    `jitter` is a fraction: 0.2 multiplies each delay by a random factor from 0.8 to 1.2, so that clients that failed
    together do not retry together.
    """

    base: float
    maximum: float
    jitter: float = 0.0

    def delay(self, failures: int, *, rng: random.Random | None = None) -> float:
        """Return the seconds to wait after `failures` consecutive failures, at least one."""
        return self.spread(min(self.base * 2 ** min(failures - 1, _MAX_DOUBLINGS), self.maximum), rng=rng)

    def spread(self, seconds: float, *, rng: random.Random | None = None) -> float:
        """Return `seconds`, at most the maximum, with jitter."""
        uniform = (rng or random).uniform
        return min(seconds, self.maximum) * uniform(1 - self.jitter, 1 + self.jitter)
