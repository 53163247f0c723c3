"""De-duplicating work queue with priorities, delayed adds and backoff for each key (client-go, util/workqueue).

A key is processed by at most one worker at a time. Knows nothing of Kubernetes. Not thread-safe: one event loop.
"""

import asyncio
import random
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

from modelservice_operator.apimachinery.wait import Backoff

K = TypeVar("K", bound=Hashable)

BACKOFF = Backoff(base=0.2, maximum=60.0, jitter=0.2)


class Priority(IntEnum):
    """Order in which waiting keys are processed."""

    EVENT = 0
    """An event arrived for the key."""
    RESYNC = 1
    """The key is only checked again."""


@dataclass(frozen=True, slots=True)
class _Timer:
    """A delayed add. The deadline is stored because a handle of uvloop has none when it is due immediately."""

    deadline: float
    handle: asyncio.Handle


class WorkQueue(Generic[K]):
    """`add` keys from anywhere; call `get` and `done` in each worker."""

    def __init__(self, *, rng: random.Random | None = None) -> None:
        self._ready: dict[Priority, deque[K]] = {priority: deque() for priority in Priority}
        self._dirty: dict[K, Priority] = {}
        """Keys to process, including those that a worker is processing now and that must be processed again."""
        self._processing: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, _Timer] = {}
        self._debounced: dict[K, asyncio.Handle] = {}
        self._wakeup = asyncio.Event()
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, protects nothing

    def __len__(self) -> int:
        """Return the number of keys that wait for a worker."""
        return len(self._dirty)

    def has_pending(self) -> bool:
        """Return True if a key waits, or will within the debounce interval."""
        return bool(self._dirty or self._debounced)

    def has_higher_priority_than(self, priority: Priority) -> bool:
        """Return True if a key waits that is processed before those of `priority`."""
        return any(self._ready[higher] for higher in Priority if higher < priority)

    def add(self, key: K, priority: Priority = Priority.EVENT) -> None:
        """Add `key`. A key that already waits is not added again, but may get a higher priority."""
        known = self._dirty.get(key)
        if known is not None and known <= priority:
            return
        self._dirty[key] = priority
        if key not in self._processing:
            self._enqueue(key, priority)

    def add_debounced(self, key: K, seconds: float) -> None:
        """Add `key` after `seconds`, once for all calls until then."""
        if key not in self._debounced and self._dirty.get(key) is not Priority.EVENT:
            self._debounced[key] = asyncio.get_running_loop().call_later(seconds, self._fire_debounced, key)

    def add_after(self, key: K, seconds: float) -> None:
        """Add `key` after `seconds`, unless an earlier add is scheduled. A worker that gets the key cancels it."""
        loop = asyncio.get_running_loop()
        deadline, timer = loop.time() + seconds, self._timers.get(key)
        if timer is not None:
            if timer.deadline <= deadline:
                return
            timer.handle.cancel()
        self._timers[key] = _Timer(deadline, loop.call_at(deadline, self._fire, key))

    def add_rate_limited(self, key: K, *, after: float | None = None) -> float:
        """Count a failure of `key`, add it after a delay, and return the seconds.

        `after`: the delay that a server or a slow retry asks for; None doubles the last one, up to a minute.
        """
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = BACKOFF.delay(failures, rng=self._rng) if after is None else BACKOFF.spread(after, rng=self._rng)
        self.add_after(key, delay)
        return delay

    async def get(self) -> K:
        """Wait for a key and return it. Its scheduled add is cancelled. `done` must follow."""
        while True:
            for priority, ready in self._ready.items():
                while ready:
                    key = ready.popleft()
                    if self._dirty.get(key) is priority and key not in self._processing:
                        return self._start(key)
            self._wakeup.clear()
            await self._wakeup.wait()

    def done(self, key: K) -> None:
        """Mark `key` as processed. It waits again if it was added in the meantime."""
        self._processing.discard(key)
        if (priority := self._dirty.get(key)) is not None:
            self._enqueue(key, priority)

    def forget(self, key: K) -> None:
        """Reset the failures of `key`, and cancel its scheduled add."""
        self._failures.pop(key, None)
        self._cancel_timer(key)

    def _start(self, key: K) -> K:
        del self._dirty[key]
        self._processing.add(key)
        self._cancel_timer(key)
        return key

    def _cancel_timer(self, key: K) -> None:
        if (timer := self._timers.pop(key, None)) is not None:
            timer.handle.cancel()

    def _fire(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _fire_debounced(self, key: K) -> None:
        del self._debounced[key]
        self.add(key)

    def _enqueue(self, key: K, priority: Priority) -> None:
        self._ready[priority].append(key)
        self._wakeup.set()
