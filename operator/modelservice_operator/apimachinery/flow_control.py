"""Fair shares of a limited number of seats: workers and concurrent requests (API Priority and Fairness, KEP-1040).

A seat that is taken cannot be taken back, and one behind a webhook that hangs is held for up to 30 s. The limits of a
flow therefore hold also while no other flow waits: the next one must find a free seat.
"""

from collections import OrderedDict
from collections.abc import Hashable
from contextvars import ContextVar
from enum import IntEnum
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T", bound=Hashable)

_REVERSED_EVERY = 8
"""Items after which one is taken from the last lane first, so that no lane starves."""


class Lane(IntEnum):
    """Order in which items are taken."""

    URGENT = 0
    """A status write."""
    NORMAL = 1
    """An event arrived for the object."""
    BACKGROUND = 2
    """The object is only checked again."""
    RETRY = 3
    """The last attempt of the object failed, and may have held its seat for long."""


class Flow(NamedTuple):
    """Items that share seats."""

    namespace: str = ""
    lane: Lane = Lane.NORMAL


_LANES = tuple(Lane)
_REVERSED_LANES = _LANES[::-1]
_NO_NAMESPACE = Flow()
CURRENT_FLOW: ContextVar[Flow] = ContextVar("CURRENT_FLOW", default=_NO_NAMESPACE)
"""Flow of the requests that the current task sends."""


def half(limit: int) -> int:
    """Return half of the seats, at least one."""
    return max(1, limit // 2)


class FairQueue(Generic[T]):
    """Waiting items, taken by lane and round robin over namespaces, each when its flow may have another seat.

    Of `limit` seats a namespace has at most half, retries have half, and retries of one namespace have a quarter.
    """

    def __init__(self) -> None:
        self._waiting: dict[Lane, OrderedDict[str, OrderedDict[T, None]]] = {lane: OrderedDict() for lane in Lane}
        self._size = 0
        """Items that wait, in all lanes."""
        self.seats_taken = 0
        """Number of seats taken."""
        self._taken: dict[str, int] = {}
        """Seats taken by each namespace."""
        self._retries: dict[str, int] = {}
        """Seats taken by the retries of each namespace."""
        self._retries_taken = 0
        self._pops = 0

    def __len__(self) -> int:
        """Return the number of items that wait."""
        return self._size

    def push(self, item: T, flow: Flow) -> None:
        """Add an item, which keeps its place if it waits in this flow."""
        items = self._waiting[flow.lane].setdefault(flow.namespace, OrderedDict())
        self._size += item not in items
        items[item] = None

    def discard(self, item: T, flow: Flow) -> None:
        """Remove an item that need not wait any longer, if it does."""
        items = self._waiting[flow.lane].get(flow.namespace)
        if items is not None and item in items:
            del items[item]
            self._size -= 1
            self._drop_if_empty(flow)

    def has_waiting(self, *lanes: Lane) -> bool:
        """Return True if an item waits in one of `lanes`."""
        return any(self._waiting[lane] for lane in lanes)

    def take(self, flow: Flow, limit: int) -> bool:
        """Take a seat for an item that was not pushed; False if another item waits, or the flow may not have one.

        `release` must follow.
        """
        is_full = self.seats_taken >= limit
        if is_full or self._size or not self._has_seat(flow.namespace, flow.lane, limit):
            return False
        self._pops += 1
        self._count(flow, 1)
        return True

    def pop(self, limit: int) -> tuple[T, Flow] | None:
        """Take the next item and a seat for it; None if no flow that waits may have one. `release` must follow."""
        flow = self._next_flow(limit)
        if flow is None:
            return None
        self._pops += 1
        item, _ = self._waiting[flow.lane][flow.namespace].popitem(last=False)
        self._size -= 1
        self._waiting[flow.lane].move_to_end(flow.namespace)
        self._drop_if_empty(flow)
        self._count(flow, 1)
        return item, flow

    def release(self, flow: Flow) -> None:
        """Give back the seat of an item that was taken from `flow`."""
        self._count(flow, -1)

    def _next_flow(self, limit: int) -> Flow | None:
        if not self._size or self.seats_taken >= limit:
            return None
        lanes = _REVERSED_LANES if self._pops % _REVERSED_EVERY == _REVERSED_EVERY - 1 else _LANES
        for lane in lanes:
            for namespace in self._waiting[lane]:
                if self._has_seat(namespace, lane, limit):
                    return Flow(namespace, lane)
        return None

    def _has_seat(self, namespace: str, lane: Lane, limit: int) -> bool:
        """Return True if the flow's shares allow another seat, as long as one is free."""
        share = half(limit)
        if self._taken.get(namespace, 0) >= share:
            return False
        return lane is not Lane.RETRY or (self._retries_taken < share and self._retries.get(namespace, 0) < half(share))

    def _count(self, flow: Flow, seats: int) -> None:
        self.seats_taken += seats
        _add(self._taken, flow.namespace, seats)
        if flow.lane is Lane.RETRY:
            self._retries_taken += seats
            _add(self._retries, flow.namespace, seats)

    def _drop_if_empty(self, flow: Flow) -> None:
        if not self._waiting[flow.lane][flow.namespace]:
            del self._waiting[flow.lane][flow.namespace]


def _add(counts: dict[str, int], key: str, number: int) -> None:
    """Add to a count, and forget it when it is 0."""
    if count := counts.get(key, 0) + number:
        counts[key] = count
    else:
        counts.pop(key, None)
