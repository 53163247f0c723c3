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
from modelservice_operator.client.rest import Connection
from modelservice_operator.errors import Ending, Forbidden, OperatorError
from modelservice_operator.events.transitions import Announcement
from modelservice_operator.settings import FIELD_MANAGER

logger = logging.getLogger(__name__)

BURST = 25
REFILL = 300.0
"""Events of one object at once, and seconds until one more (client-go, record.EventSourceObjectSpamFilter)."""
_MOST_WAITING = 1000
"""Events that wait; the oldest go first when there are more."""
_PAUSE = 0.1
"""Seconds between two Events of this operator."""
_MOST_PAUSES = 20
"""Pauses for which an Event waits for a moment in which no object does."""
_REPORTER = f"modelservice.dev/{FIELD_MANAGER}"
_LONGEST_NAME = 128
_MOST_BUDGETS = 10_000

Object = dict[str, Any]


@dataclass(slots=True)
class _Budget:
    """Events that an object may still have, as of a moment of the monotonic clock."""

    left: float
    at: float


class Recorder:
    """Takes Events at once and posts them when nothing is more urgent."""

    def __init__(
        self, connection: Connection, *, busy: Callable[[], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._busy = busy
        self._clock = clock
        self._waiting: deque[Object] = deque(maxlen=_MOST_WAITING)
        self._wake = asyncio.Event()
        self._budgets: dict[str, _Budget] = {}
        self._forbidden = False

    def record(self, about: Object, announcements: Iterable[Announcement]) -> None:
        """Have `announcements` posted about a ModelService. What exceeds its budget is dropped."""
        metadata = about["metadata"]
        for announcement in announcements:
            if self._may(metadata["uid"]):
                self._waiting.append(event(metadata, announcement, datetime.now(UTC)))
                self._wake.set()

    async def run(self) -> None:
        """Post for ever, one at a time."""
        while True:
            while self._waiting:
                await self._quiet_moment()
                await self._post(self._waiting.popleft())
                await asyncio.sleep(_PAUSE)
            self._wake.clear()
            await self._wake.wait()

    async def _quiet_moment(self) -> None:
        for _ in range(_MOST_PAUSES):
            if not self._busy():
                return
            await asyncio.sleep(_PAUSE)

    async def _post(self, body: Object) -> None:
        path = f"/apis/events.k8s.io/v1/namespaces/{body['metadata']['namespace']}/events"
        try:
            await self._connection.request("POST", path, body=body)
        except Forbidden as error:
            if not self._forbidden:
                logger.warning("Events cannot be posted: %s", error)
            self._forbidden = True
        except Ending:
            pass  # the namespace goes, and its Events with it
        except OperatorError as error:
            logger.info("An Event was not posted: %s", error)

    def _may(self, uid: str) -> bool:
        """Take one of the object's budget."""
        now = self._clock()
        budget = self._budgets.pop(uid, None) or _Budget(BURST, now)
        budget.left = min(BURST, budget.left + (now - budget.at) / REFILL)
        budget.at = now
        self._budgets[uid] = budget  # the last one in a dict is the one used last
        if len(self._budgets) > _MOST_BUDGETS:
            del self._budgets[next(iter(self._budgets))]
        if budget.left < 1:
            return False
        budget.left -= 1
        return True


def event(metadata: Object, announcement: Announcement, now: datetime) -> Object:
    """Body of an Event about the ModelService with this metadata; `now` is aware, UTC."""
    name, namespace = metadata["name"], metadata["namespace"]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{uuid4().hex[:16]}", "namespace": namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": announcement.type,
        "reason": str(announcement.topic),
        "action": announcement.action,
        "note": announcement.note,
        "regarding": {
            "apiVersion": MODEL_SERVICE.api_version,
            "kind": MODEL_SERVICE.kind,
            "namespace": namespace,
            "name": name,
            "uid": metadata["uid"],
        },
        "reportingController": _REPORTER,
        "reportingInstance": platform.node()[:_LONGEST_NAME] or FIELD_MANAGER,
    }
