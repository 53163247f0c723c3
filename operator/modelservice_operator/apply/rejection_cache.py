"""Remembers rejected requests, so that other events of the object do not repeat them immediately."""

import math
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from cachetools import TTLCache

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.errors import TerminalError

TTL_SECONDS = 20.0
"""Less than the interval after which a terminal error is retried (controller.TERMINAL_ERROR_INTERVAL): then the request
is really sent."""


class RejectionCache:
    """Negative cache of terminal errors. Events of other children, as in a rollout, would repeat each request."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._rejections: TTLCache[Hashable, TerminalError] = TTLCache(math.inf, TTL_SECONDS, timer=clock.monotonic)

    @contextmanager
    def guard(self, key: Hashable) -> Iterator[None]:
        """Raise the error with which `key` was recently rejected; else remember the one with which the block ends."""
        if (known := self._rejections.get(key)) is not None:
            # One error is raised many times: without this, its traceback would grow each time.
            raise known.with_traceback(None)
        try:
            yield
        except TerminalError as error:
            self._rejections[key] = error
            raise

    def discard(self, key: Hashable) -> None:
        """Forget the rejection of `key`: its cause is known to have changed."""
        self._rejections.pop(key, None)
