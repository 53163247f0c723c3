"""What was refused is not asked for again at once, whatever else happens to the object. Knows nothing of Kubernetes."""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from modelservice_operator.errors import TerminalError

TTL_SECONDS = 20.0
"""Seconds: less than the pause after which what only a person can heal is tried again, so that it then really is."""


@dataclass(frozen=True, slots=True)
class _Rejection:
    error: TerminalError
    time: float


class RejectionCache:
    """Remembers refusals for a while. Events of other children (a rollout) would otherwise repeat the request each."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rejections: dict[Hashable, _Rejection] = {}

    @contextmanager
    def guard(self, key: Hashable) -> Iterator[None]:
        """Raise the error with which `what` was refused lately; else remember the one with which the block ends."""
        if (known := self._fresh(key)) is not None:
            # The same error again and again: what led to it the last time is of no use, and would add up.
            raise known.error.with_traceback(None)
        try:
            yield
        except TerminalError as error:
            self._rejections[key] = _Rejection(error, self._clock())
            raise

    def _fresh(self, what: Hashable) -> _Rejection | None:
        now = self._clock()
        for old in [old for old, refusal in self._rejections.items() if now - refusal.time >= TTL_SECONDS]:
            del self._rejections[old]
        return self._rejections.get(what)
