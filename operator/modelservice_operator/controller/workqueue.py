"""De-duplicating work queue with priorities, delayed adds and backoff for each key (client-go, util/workqueue).

A key is processed by at most one worker at a time. Namespaces take turns, and keys that failed wait in a separate lane
behind the others. Not thread-safe: one event loop.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.flow_control import FairQueue, Flow, Lane
from modelservice_operator.apimachinery.wait import Backoff
from modelservice_operator.metrics.instruments import QUEUE_ADDS, QUEUE_RETRIES, QUEUE_SECONDS, WORK_SECONDS

K = TypeVar("K", bound=Hashable)

BACKOFF = Backoff(base=0.2, maximum=60.0, jitter=0.2)


class Priority(IntEnum):
    """Order in which waiting keys are processed."""

    EVENT = 0
    """An event arrived for the key."""
    RESYNC = 1
    """The key is only checked again."""


_LANES = {Priority.EVENT: Lane.NORMAL, Priority.RESYNC: Lane.BACKGROUND}


@dataclass(frozen=True, slots=True)
class _Timer:
    """A delayed add. The deadline is stored because a handle of uvloop has none when it is due immediately."""

    deadline: float
    handle: asyncio.Handle


class WorkQueue(Generic[K]):
    """`add` keys from anywhere; call `get` and `done` in each worker."""

    def __init__(
        self,
        *,
        workers: int = 16,
        namespace_of: Callable[[K], str] = lambda _: "",
        rng: random.Random | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`workers`: number of keys that are processed at a time, of which a namespace has at most half."""
        self._workers = workers
        self._namespace_of = namespace_of
        self._ready: FairQueue[K] = FairQueue()
        self._queued: dict[K, Flow] = {}
        """Flows of the keys in `_ready`."""
        self._dirty: dict[K, Priority] = {}
        """Keys to process, including those that a worker is processing now and that must be processed again."""
        self._processing: dict[K, Flow] = {}
        self._added_at: dict[K, float] = {}
        """Times since when the keys of `_dirty` wait, the oldest first."""
        self._started_at: dict[K, float] = {}
        """Times since when the keys of `_processing` are processed."""
        self._failures: dict[K, int] = {}
        self._timers: dict[K, _Timer] = {}
        self._debounced: dict[K, asyncio.Handle] = {}
        self._idle: deque[asyncio.Future[None]] = deque()
        """Workers that wait for a key."""
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, protects nothing
        self._clock = clock

    def __len__(self) -> int:
        """Return the number of keys that wait for a worker."""
        return len(self._dirty)

    @property
    def oldest_wait(self) -> float:
        """Seconds for which the oldest key has waited; 0 if none waits."""
        return self._clock.monotonic() - next(iter(self._added_at.values())) if self._added_at else 0.0

    def restart_waits(self) -> None:
        """Let the wait of each key begin now: a standby has keys, and no worker that could take them."""
        self._added_at = dict.fromkeys(self._added_at, self._clock.monotonic())

    @property
    def unfinished_work(self) -> list[float]:
        """Seconds for which each key has been processed until now."""
        now = self._clock.monotonic()
        return [now - started for started in self._started_at.values()]

    def has_pending(self) -> bool:
        """Return True if a key waits, or will within the debounce interval. Keys that failed do not count."""
        return bool(self._debounced) or self._ready.has_waiting(Lane.NORMAL, Lane.BACKGROUND)

    def has_higher_priority_than(self, priority: Priority) -> bool:
        """Return True if a key waits that is processed before those of `priority`. Keys that failed do not count."""
        return self._ready.has_waiting(*(_LANES[higher] for higher in Priority if higher < priority))

    def add(self, key: K, priority: Priority = Priority.EVENT) -> None:
        """Add `key`. A key that already waits is not added again, but may get a higher priority."""
        known = self._dirty.get(key)
        if known is not None and known <= priority:
            return
        self._dirty[key] = priority
        if known is None:
            self._added_at[key] = self._clock.monotonic()
            QUEUE_ADDS.inc()
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

    def add_rate_limited(self, key: K, *, after: float | None = None, backoff: Backoff = BACKOFF) -> float:
        """Count a failure of `key`, add it after a delay, and return the seconds.

        `after`: the delay that a server or a slow retry asks for; None doubles the last one, within `backoff`.
        """
        QUEUE_RETRIES.inc()
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = backoff.delay(failures, rng=self._rng) if after is None else backoff.spread(after, rng=self._rng)
        self.add_after(key, delay)
        return delay

    async def get(self) -> K:
        """Wait for a key and return it. Its scheduled add is cancelled. `done` must follow."""
        while True:
            if (taken := self._ready.pop(self._workers)) is not None:
                return self._start(*taken)
            await self._wait()

    def done(self, key: K) -> None:
        """Mark `key` as processed. It waits again if it was added in the meantime."""
        self._ready.release(self._processing.pop(key))
        WORK_SECONDS.observe(self._clock.monotonic() - self._started_at.pop(key))
        if self._ready:
            self._wake_worker()  # another key of its namespace may be processed now
        if (priority := self._dirty.get(key)) is not None:
            self._enqueue(key, priority)

    def flow_of(self, key: K) -> Flow:
        """Return the flow of a key that is being processed."""
        return self._processing[key]

    def forget(self, key: K) -> None:
        """Reset the failures of `key`, and cancel its scheduled add."""
        self._failures.pop(key, None)
        self._cancel_timer(key)

    def _start(self, key: K, flow: Flow) -> K:
        del self._dirty[key], self._queued[key]
        self._processing[key] = flow
        now = self._started_at[key] = self._clock.monotonic()
        QUEUE_SECONDS.observe(now - self._added_at.pop(key))
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
        flow = Flow(self._namespace_of(key), Lane.RETRY if key in self._failures else _LANES[priority])
        if (queued := self._queued.get(key, flow)) != flow:
            self._ready.discard(key, queued)
        self._queued[key] = flow
        self._ready.push(key, flow)
        self._wake_worker()

    async def _wait(self) -> None:
        """Wait until a key was added, or a seat was given back: each wakes one worker, as it allows one more key."""
        waiter = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._wake_worker()  # woken together with the cancellation: pass it on
            raise

    def _wake_worker(self) -> None:
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
