"""Events (events.k8s.io/v1), posted aside from the work: best effort, limited, and never a reason for a failure."""

import asyncio
import logging
import platform
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import ForbiddenError, OperatorError, TerminatingError
from modelservice_operator.events.transitions import EventSpec
from modelservice_operator.settings import FIELD_MANAGER

logger = logging.getLogger(__name__)

BURST = 25
REFILL_SECONDS = 300.0
"""Events of one object at once, and seconds until one more (client-go, record.EventSourceObjectSpamFilter)."""
MAX_QUEUED_EVENTS = 1000
"""Events that wait; the oldest go first when there are more."""
_POST_INTERVAL = 0.1
"""Seconds between two Events of this operator."""
_MAX_IDLE_CHECKS = 20
"""Pauses for which an Event waits for a moment in which no object does."""
_REPORTING_CONTROLLER = f"modelservice.dev/{FIELD_MANAGER}"
_MAX_NAME_LENGTH = 128
_MAX_BUCKETS = 10_000

Object = dict[str, Any]


@dataclass(slots=True)
class _TokenBucket:
    """Events that an object may still have, as of a moment of the monotonic clock."""

    tokens: float
    updated_at: float


class EventRecorder:
    """Takes Events at once and posts them when nothing is more urgent."""

    def __init__(
        self, connection: RestClient, *, is_busy: Callable[[], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._is_busy = is_busy
        self._clock = clock
        self._queue: deque[Object] = deque(maxlen=MAX_QUEUED_EVENTS)
        self._wakeup = asyncio.Event()
        self._buckets: dict[str, _TokenBucket] = {}
        self._forbidden = False

    def record(self, regarding: Object, events: Iterable[EventSpec]) -> None:
        """Have `announcements` posted about a ModelService. What exceeds its budget is dropped."""
        metadata = regarding["metadata"]
        for announcement in events:
            if self._take_token(metadata["uid"]):
                self._queue.append(build_event(metadata, announcement, datetime.now(UTC)))
                self._wakeup.set()

    async def run(self) -> None:
        """Post for ever, one at a time."""
        while True:
            while self._queue:
                await self._wait_until_idle()
                await self._post(self._queue.popleft())
                await asyncio.sleep(_POST_INTERVAL)
            self._wakeup.clear()
            await self._wakeup.wait()

    async def _wait_until_idle(self) -> None:
        for _ in range(_MAX_IDLE_CHECKS):
            if not self._is_busy():
                return
            await asyncio.sleep(_POST_INTERVAL)

    async def _post(self, body: Object) -> None:
        path = f"/apis/events.k8s.io/v1/namespaces/{body['metadata']['namespace']}/events"
        try:
            await self._connection.request("POST", path, body=body)
        except ForbiddenError as error:
            if not self._forbidden:
                logger.warning("Events cannot be posted: %s", error)
            self._forbidden = True
        except TerminatingError:
            pass  # the namespace goes, and its Events with it
        except OperatorError as error:
            logger.info("An Event was not posted: %s", error)

    def _take_token(self, uid: str) -> bool:
        """Take one of the object's budget."""
        now = self._clock()
        budget = self._buckets.pop(uid, None) or _TokenBucket(BURST, now)
        budget.tokens = min(BURST, budget.tokens + (now - budget.updated_at) / REFILL_SECONDS)
        budget.updated_at = now
        self._buckets[uid] = budget  # the last one in a dict is the one used last
        if len(self._buckets) > _MAX_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        if budget.tokens < 1:
            return False
        budget.tokens -= 1
        return True


def build_event(metadata: Object, announcement: EventSpec, now: datetime) -> Object:
    """Body of an Event about the ModelService with this metadata; `now` is aware, UTC."""
    name, namespace = metadata["name"], metadata["namespace"]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{uuid4().hex[:16]}", "namespace": namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": announcement.type,
        "reason": str(announcement.reason),
        "action": announcement.action,
        "note": announcement.note,
        "regarding": {
            "apiVersion": MODEL_SERVICE.api_version,
            "kind": MODEL_SERVICE.kind,
            "namespace": namespace,
            "name": name,
            "uid": metadata["uid"],
        },
        "reportingController": _REPORTING_CONTROLLER,
        "reportingInstance": platform.node()[:_MAX_NAME_LENGTH] or FIELD_MANAGER,
    }
