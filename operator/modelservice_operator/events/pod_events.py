"""Reads the Events of a pod that stays unready.

Failures of probes and mounts appear only in Events (kubelet, prober and volume manager), which are too many to watch.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.text import sanitize
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import OperatorError
from modelservice_operator.status.pods import Pod

_REASONS = frozenset({"Unhealthy", "FailedMount", "FailedAttachVolume", "FailedMapVolume"})
"""Reasons of the Events that are read (pkg/kubelet/events/event.go; pkg/controller/volume/events/event.go)."""
MAX_EVENTS = 200
"""Events that are read of one pod; the API server stores those of an hour."""
MAX_MESSAGE_CHARS = 1024
"""Characters that are stored of a message (kubernetes, pkg/apis/core/validation/events.go, NoteLengthLimit)."""
FIRST_READ_DELAY = 2.0
"""Seconds: most pods are ready by then, and none of their Events is read."""
MAX_READ_INTERVAL = 120.0


@dataclass(slots=True)
class TrackedPod:
    """The pod that a ModelService waits for, and the messages of its Events. Times are of the monotonic clock."""

    uid: str
    since: float
    next_read_at: float
    started: frozenset[str] = frozenset()
    """Names of the unready containers that have started so far."""
    messages: tuple[str, ...] = ()


class PodEventReader:
    """Reads the Events of pods, one request at a time, after other requests."""

    def __init__(self, client: RestClient, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._client = client
        self._clock = clock
        self._read_lock = asyncio.Lock()

    async def read(self, namespace: str, pod: Pod, tracked: TrackedPod | None) -> TrackedPod:
        """Return the pod as tracked, with the messages of its Events, which are read again when that is due.

        `tracked` is the result of the last call, and is ignored for another pod. When Events cannot be read, the known
        messages are kept: the ModelService does not fail because of that.
        """
        now = self._clock.monotonic()
        found = _track(pod, tracked, now)
        if now >= found.next_read_at and not self._read_lock.locked():
            async with self._read_lock:
                await self._refresh(namespace, found)
            found.next_read_at = now + read_interval(now - found.since)
        return found

    def seconds_to_next_read(self, pod: TrackedPod) -> float:
        """Return the seconds after which `read` is worth another call."""
        return max(pod.next_read_at - self._clock.monotonic(), FIRST_READ_DELAY / 2)

    async def _refresh(self, namespace: str, pod: TrackedPod) -> None:
        params = {"fieldSelector": f"involvedObject.uid={pod.uid},type=Warning", "limit": str(MAX_EVENTS)}
        try:
            response = await self._client.request("GET", f"/api/v1/namespaces/{namespace}/events", params=params)
        except OperatorError:
            return
        pod.messages = pod_event_messages(response.get("items") or [])


def _track(pod: Pod, tracked: TrackedPod | None, now: float) -> TrackedPod:
    """Return how long the pod has waited since its last container started for the first time.

    A container that starts can fail its probes, so Events are read often again, however long the pod took to start.
    """
    started = pod.started_containers
    if tracked is None or tracked.uid != pod.uid:
        return TrackedPod(pod.uid, now, now + FIRST_READ_DELAY, started)
    if started <= tracked.started:
        return tracked
    next_read_at = min(tracked.next_read_at, now + FIRST_READ_DELAY)
    return TrackedPod(pod.uid, now, next_read_at, started | tracked.started, tracked.messages)


def read_interval(age: float) -> float:
    """Return the seconds until the next read, for a pod that has waited for `age` seconds."""
    return min(max(age / 4, FIRST_READ_DELAY), MAX_READ_INTERVAL)


def pod_event_messages(events: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return the messages of Events (core/v1) about probes and volumes, newest first, each once."""
    relevant = [event for event in events if event.get("reason") in _REASONS and event.get("message")]
    texts = [
        sanitize(str(event["message"]), MAX_MESSAGE_CHARS) for event in sorted(relevant, key=_event_time, reverse=True)
    ]
    return tuple(dict.fromkeys(texts))


def _event_time(event: dict[str, Any]) -> str:
    """Return when it last occurred. Times as the API server writes them sort as text."""
    series = (event.get("series") or {}).get("lastObservedTime")
    created = event["metadata"].get("creationTimestamp")
    return str(series or event.get("lastTimestamp") or event.get("eventTime") or created or "")
