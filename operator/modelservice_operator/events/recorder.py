"""Writes Events (events.k8s.io/v1) when no object waits: best effort, rate limited, and never a cause of failure."""

import asyncio
import logging
import platform
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import uuid4

from cachetools import LRUCache, TTLCache

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apimachinery.wait import TokenBucket
from modelservice_operator.client.missing_permissions import MissingPermission
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import AdmissionUnavailableError, ForbiddenError, OperatorError, TerminatingError
from modelservice_operator.events.transitions import EventSpec
from modelservice_operator.metrics.instruments import WriteReason, record_write
from modelservice_operator.settings import FIELD_MANAGER

logger = logging.getLogger(__name__)

BURST = 25
"""Events that one object may have in a burst (client-go, record.EventSourceObjectSpamFilter)."""
REFILL_SECONDS = 300.0
"""Seconds until one more (the same)."""
MAX_QUEUED_EVENTS = 1000
"""Events that wait; the oldest are dropped."""
POST_TIMEOUT = 10.0
"""Seconds for the creation of an Event: those of other namespaces wait for it."""
HANG_TTL = 60.0
"""Seconds for which the Events of a namespace are dropped after a creation that timed out."""
_POST_INTERVAL = 0.1
"""Seconds between two Events of this process."""
_MAX_IDLE_CHECKS = 20
"""Checks, one each interval, for which an Event waits until no object does."""
_KIND = "Event"
_REPORTING_CONTROLLER = f"modelservice.dev/{FIELD_MANAGER}"
_MAX_NAME_LENGTH = 128
_MAX_BUCKETS = 10_000
"""Objects whose budget is remembered; the least recently used one is forgotten."""


class EventRecorder:
    """Queues Events and posts them one at a time (client-go, record.EventRecorder)."""

    def __init__(self, client: RestClient, *, is_busy: Callable[[], bool], clock: Clock = SYSTEM_CLOCK) -> None:
        """`is_busy` returns True while objects wait: they go first."""
        self._client = client
        self._is_busy = is_busy
        self._clock = clock
        self._queue: deque[Object] = deque(maxlen=MAX_QUEUED_EVENTS)
        self._wakeup = asyncio.Event()
        self._buckets: LRUCache[str, TokenBucket] = LRUCache(_MAX_BUCKETS)
        self._was_forbidden = False
        self._hanging: TTLCache[str, bool] = TTLCache(_MAX_BUCKETS, HANG_TTL, timer=clock.monotonic)
        """Namespaces in which an Event could not be created in time, as behind a webhook that hangs."""

    def record(self, regarding: Object, events: Iterable[EventSpec]) -> None:
        """Queue `events` about a ModelService. Those that exceed its budget are dropped."""
        metadata = regarding["metadata"]
        for event in events:
            if self._take_token(metadata["uid"]):
                self._queue.append(build_event(metadata, event, self._clock.now()))
                self._wakeup.set()

    async def run(self) -> None:
        """Post queued Events until cancelled."""
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
        namespace = body["metadata"]["namespace"]
        path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
        if namespace in self._hanging:
            return
        try:
            async with asyncio.timeout(POST_TIMEOUT):
                await self._client.request("POST", path, body=body)
            record_write(_KIND, WriteReason.EVENT)
            self._was_forbidden = False
        except (TimeoutError, AdmissionUnavailableError) as error:
            self._hanging[namespace] = True
            logger.info("Events of namespace %s are dropped for %.0f s: %r", namespace, HANG_TTL, error)
        except ForbiddenError as error:
            # The client has logged a missing permission.
            if not self._was_forbidden and MissingPermission.of(error) is None:
                logger.warning("Not allowed to create Events: %s", error)
            self._was_forbidden = True
        except TerminatingError:
            pass  # the namespace is being deleted, and its Events with it
        except OperatorError as error:
            logger.info("Failed to create an Event: %s", error)

    def _take_token(self, uid: str) -> bool:
        """Take one token of the object's bucket; return False if it is empty."""
        now = self._clock.monotonic()
        bucket = self._buckets[uid] = self._buckets.get(uid) or TokenBucket(BURST, REFILL_SECONDS)
        if bucket.seconds_until_token(now) > 0:
            return False
        bucket.take(now)
        return True


def build_event(metadata: Object, event: EventSpec, now: datetime) -> Object:
    """Return the body of an Event about the ModelService with this metadata. `now` is aware, in UTC."""
    name, namespace = metadata["name"], metadata["namespace"]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": _KIND,
        "metadata": {"name": f"{name}.{uuid4().hex[:16]}", "namespace": namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": event.type,
        "reason": str(event.reason),
        "action": event.action,
        "note": event.note,
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
