"""What only Events tell of a pod that stays unready: read while it does, never watched.

Why a probe fails or a volume is not there is in no status of a pod (kubelet, prober and volume manager): only an Event
says it. Watching the Events of a cluster would cost more than everything else together.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import OperatorError

_REASONS = frozenset({"Unhealthy", "FailedMount", "FailedAttachVolume", "FailedMapVolume"})
"""Reasons of the Events that are read (pkg/kubelet/events/event.go; pkg/controller/volume/events/event.go)."""
MAX_EVENTS = 200
"""Events of one pod that are looked at; the API server keeps those of an hour."""
FIRST_READ_DELAY = 2.0
"""Seconds: most pods are ready by then, and nothing is read of them."""
MAX_READ_INTERVAL = 120.0


@dataclass(slots=True)
class _PodState:
    """What is known of the pod that a ModelService waits for."""

    uid: str
    since: float
    next_read: float
    messages: tuple[str, ...] = ()


class PodEventReader:
    """The notes on one pod of each ModelService that waits; one request at a time, after all that is more urgent."""

    def __init__(self, connection: RestClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._pods: dict[tuple[str, str], _PodState] = {}
        self._read_lock = asyncio.Lock()

    async def read(self, key: tuple[str, str], uid: str | None) -> tuple[tuple[str, ...], float | None]:
        """Return the notes on the pod `uid` of `key`, and the seconds until it is worth while to ask again.

        None stands for no pod: what was known is forgotten. A failure to read is no failure of the ModelService: what
        was known stays known.
        """
        if uid is None:
            self.forget(key)
            return (), None
        now = self._clock()
        pod = self._pods.get(key)
        if pod is None or pod.uid != uid:
            pod = self._pods[key] = _PodState(uid, now, now + FIRST_READ_DELAY)
        if now >= pod.next_read and not self._read_lock.locked():
            async with self._read_lock:
                await self._refresh(key[0], pod)
            pod.next_read = now + read_interval(now - pod.since)
        return pod.messages, max(pod.next_read - now, FIRST_READ_DELAY / 2)

    def forget(self, key: tuple[str, str]) -> None:
        """Nobody waits for a pod of `key` any more."""
        self._pods.pop(key, None)

    async def _refresh(self, namespace: str, pod: _PodState) -> None:
        selector = {"fieldSelector": f"involvedObject.uid={pod.uid},type=Warning", "limit": str(MAX_EVENTS)}
        try:
            answer = await self._connection.request("GET", f"/api/v1/namespaces/{namespace}/events", params=selector)
        except OperatorError:
            return
        pod.messages = pod_event_messages(answer.get("items") or [])


def read_interval(age: float) -> float:
    """Seconds until the next read, of a pod that has waited for `age` seconds: it grows as the news gets old."""
    return min(max(age / 4, FIRST_READ_DELAY), MAX_READ_INTERVAL)


def pod_event_messages(events: list[dict[str, Any]]) -> tuple[str, ...]:
    """What Events (core/v1) say of probes and volumes, the newest first, each text once."""
    telling = [event for event in events if event.get("reason") in _REASONS and event.get("message")]
    texts = [str(event["message"]) for event in sorted(telling, key=_event_time, reverse=True)]
    return tuple(dict.fromkeys(texts))


def _event_time(event: dict[str, Any]) -> str:
    """When it happened last. Times of the API server order as texts do."""
    series = (event.get("series") or {}).get("lastObservedTime")
    created = event["metadata"].get("creationTimestamp")
    return str(series or event.get("lastTimestamp") or event.get("eventTime") or created or "")
