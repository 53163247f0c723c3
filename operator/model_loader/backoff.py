"""Exponential backoff with jitter, and the retries of requests to a store."""

import math
import random
import re
import time
from collections.abc import Mapping
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


RETRY_BACKOFF = Backoff(base=0.4, maximum=3.2, jitter=0.5)
MAX_ATTEMPTS = 5
"""Attempts of a request that fails without saying when to come back."""


class RetrySchedule:
    """Retries of one request, the same for all stores: at most MAX_ATTEMPTS, and never beyond the time limits.

    A response with Retry-After does not count as an attempt: the store is reachable and says when to come back. All
    times are in seconds; `deadline` is of the monotonic clock.
    """

    def __init__(self, deadline: float, *, max_wait: float = math.inf) -> None:
        self._deadline = deadline
        self._max_wait = max_wait
        self._waited = 0.0
        self._failures = 0

    def next_delay(self, retry_after: float | None = None) -> float | None:
        """Return the time to wait before the next attempt, or None if the request has failed for good."""
        self._failures += 1
        if retry_after is None and self._failures >= MAX_ATTEMPTS:
            return None
        # Added, so that no client is early and all of them come at different times.
        delay = (retry_after or 0.0) + RETRY_BACKOFF.delay(self._failures)
        if self._waited + delay > self._max_wait or time.monotonic() + delay > self._deadline:
            return None
        self._waited += delay
        return delay


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that Retry-After asks to wait, a number or a date (RFC 9110, 10.2.3); None without them.

    A date is compared with the Date of the response, so that the clocks need not agree. `headers` has lower-case names
    or ignores their case.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]{1,9}", text):
        return float(text)
    moment = _parse_date(text)
    if moment is None:
        return None
    return max(moment - (_parse_date(headers.get("date", "")) or time.time()), 0.0)


def _parse_date(text: str) -> float | None:
    if not text:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - only needed for a busy store

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None
