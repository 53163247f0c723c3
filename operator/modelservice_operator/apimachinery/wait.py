"""Exponential backoff (apimachinery, util/wait.Backoff), and a token bucket."""

import random
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class TokenBucket:
    """Allows a burst, then one more each `refill_seconds` (client-go, util/flowcontrol). `now` is a monotonic time."""

    burst: int
    refill_seconds: float
    _tokens: float = field(init=False)
    _updated_at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._tokens = self.burst

    def seconds_until_token(self, now: float) -> float:
        """Return the seconds until `take` is allowed; 0 if it is."""
        return max(0.0, 1 - self._tokens_at(now)) * self.refill_seconds

    def take(self, now: float) -> None:
        """Take a token. What must not wait may take one that is not there yet: the next one waits longer."""
        self._tokens, self._updated_at = max(self._tokens_at(now) - 1, -1.0), now

    def drain(self, now: float, *, keep: int) -> None:
        """Keep `keep` tokens at most: what is left of a burst must not be used."""
        self._tokens, self._updated_at = min(self._tokens_at(now), float(keep)), now

    def _tokens_at(self, now: float) -> float:
        return min(self.burst, self._tokens + (now - self._updated_at) / self.refill_seconds)
