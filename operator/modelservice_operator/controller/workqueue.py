"""A queue of keys: each at most once in it, each in at most one hand, failures again after a growing, jittered pause.

It knows nothing of Kubernetes. Not thread-safe: one event loop.
"""

import asyncio
import random
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

BACKOFF_BASE = 0.2
BACKOFF_MAX = 60.0
_MOST_DOUBLINGS = 16
_SAME_TIME = 0.05
"""Seconds that two appointments may lie apart to be kept as one."""


class Priority(IntEnum):
    """Which of two waiting keys is taken first."""

    EVENT = 0
    """Something happened to it."""
    RESYNC = 1
    """It is merely looked at again."""


@dataclass(frozen=True, slots=True)
class _Timer:
    """When a key is to be looked at. The handle need not know: uvloop's has no time when it is due at once."""

    when: float
    handle: asyncio.Handle


class WorkQueue(Generic[K]):
    """`add` from anywhere, `get` and `done` (or `retry`) in each worker."""

    def __init__(self, *, jitter: random.Random | None = None) -> None:
        self._ready: dict[Priority, deque[K]] = {priority: deque() for priority in Priority}
        self._dirty: dict[K, Priority] = {}
        self._processing: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, _Timer] = {}
        self._debounced: dict[K, asyncio.Handle] = {}
        self._latest_deadline: dict[K, float] = {}
        """Time of the last appointment, where there are several: those between the next and the last are left out."""
        self._wakeup = asyncio.Event()
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads retries, guards nothing

    def __len__(self) -> int:
        """Keys that wait for a worker now."""
        return len(self._dirty)

    def has_pending(self) -> bool:
        """Whether a key waits, or is about to."""
        return bool(self._dirty or self._debounced)

    def has_higher_priority_than(self, priority: Priority) -> bool:
        """Whether a key waits that would be taken before those of `priority`."""
        return any(self._ready[higher] for higher in Priority if higher < priority)

    def add(self, key: K, priority: Priority = Priority.EVENT) -> None:
        """Have `key` looked at. While it is in a hand it waits; what waits already may only move ahead."""
        known = self._dirty.get(key)
        if known is not None and known <= priority:
            return
        self._dirty[key] = priority
        if key not in self._processing:
            self._enqueue(key, priority)

    def add_debounced(self, key: K, seconds: float) -> None:
        """Have `key` looked at within `seconds`, once for all that is added meanwhile."""
        if key not in self._debounced and self._dirty.get(key) is not Priority.EVENT:
            self._debounced[key] = asyncio.get_running_loop().call_later(seconds, self._fire_debounced, key)

    def _fire_debounced(self, key: K) -> None:
        del self._debounced[key]
        self.add(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Have `key` looked at in `seconds`, and not only before: an earlier appointment does not stand for it."""
        loop = asyncio.get_running_loop()
        when, appointed = loop.time() + seconds, self._timers.get(key)
        if appointed is not None:
            if abs(appointed.when - when) < _SAME_TIME:
                return
            self._latest_deadline[key] = max(self._latest_deadline.get(key, 0.0), when, appointed.when)
            if appointed.when <= when:
                return
            appointed.handle.cancel()
        self._schedule(key, when)

    def _schedule(self, key: K, when: float) -> None:
        handle = asyncio.get_running_loop().call_at(when, self._fire, key)
        self._timers[key] = _Timer(when, handle)

    async def get(self) -> K:
        """Wait for a key and take it; `done` or `retry` gives it back."""
        while True:
            for priority, ready in self._ready.items():
                while ready:
                    key = ready.popleft()
                    if self._dirty.get(key) is priority and key not in self._processing:
                        return self._take(key)
            self._wakeup.clear()
            await self._wakeup.wait()

    def done(self, key: K) -> None:
        """Give `key` back after success: its failures are forgotten."""
        self._failures.pop(key, None)
        self._release(key)

    def add_rate_limited(self, key: K, *, after: float | None = None) -> float:
        """Give `key` back after a failure and return the seconds until it is tried again.

        `after`: the pause that somebody (a server, a slow retry) asked for; None doubles the last one, up to a minute.
        """
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause = BACKOFF_BASE * 2 ** min(failures - 1, _MOST_DOUBLINGS) if after is None else after
        pause = min(pause, BACKOFF_MAX) * self._jitter.uniform(0.8, 1.2)
        self.add_after(key, pause)
        self._release(key)
        return pause

    def forget(self, key: K) -> None:
        """Drop the appointment and the failures of a key that is gone for good."""
        self._failures.pop(key, None)
        self._latest_deadline.pop(key, None)
        if (appointed := self._timers.pop(key, None)) is not None:
            appointed.handle.cancel()
        if (soon := self._debounced.pop(key, None)) is not None:
            soon.cancel()

    def _take(self, key: K) -> K:
        del self._dirty[key]
        self._processing.add(key)
        return key

    def _fire(self, key: K) -> None:
        self._timers.pop(key, None)
        if (last := self._latest_deadline.pop(key, 0.0)) > asyncio.get_running_loop().time():
            self._schedule(key, last)
        self.add(key)

    def _enqueue(self, key: K, priority: Priority) -> None:
        self._ready[priority].append(key)
        self._wakeup.set()

    def _release(self, key: K) -> None:
        self._processing.discard(key)
        if (priority := self._dirty.get(key)) is not None:
            self._enqueue(key, priority)
