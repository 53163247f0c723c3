"""Events of a pod that stays unready: what is read of them, and when."""

from typing import Any

import pytest

from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import UnreachableError
from modelservice_operator.events.pod_events import (
    FIRST_READ_DELAY,
    MAX_READ_INTERVAL,
    PodEventReader,
    pod_event_messages,
    read_interval,
)

KEY = ("ml", "iris")


def an_event(message: str, *, reason: str = "Unhealthy", **fields: Any) -> dict[str, Any]:
    return {"metadata": {"creationTimestamp": "2026-01-02T03:00:00Z"}, "reason": reason, "message": message} | fields


class Server(RestClient):
    """Answers what it is told to, and counts what it is asked for."""

    def __init__(self, *answers: dict[str, Any] | UnreachableError) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        self.asked.append(f"{method} {path} {options['params']['fieldSelector']}")
        answer = self.answers.pop(0)
        if isinstance(answer, UnreachableError):
            raise answer
        return answer


class Clock:
    """A monotonic clock that stands still."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_newest_comes_first_and_each_text_once() -> None:
    events = [
        an_event("old", lastTimestamp="2026-01-02T03:00:01Z"),
        an_event("new", lastTimestamp="2026-01-02T03:00:09Z"),
        an_event("in a series", series={"lastObservedTime": "2026-01-02T03:00:05.000000Z"}),
        an_event("old", eventTime="2026-01-02T03:00:04.000000Z", lastTimestamp=None),
        an_event("made only"),
        an_event("no business of ours", reason="BackOff", lastTimestamp="2026-01-02T03:00:10Z"),
        an_event("", reason="FailedMount"),
    ]
    assert pod_event_messages(events) == ("new", "in a series", "old", "made only")


@pytest.mark.parametrize(
    ("age", "seconds"), [(0, FIRST_READ_DELAY), (8, 2.0), (12, 3.0), (60, 15.0), (9999, MAX_READ_INTERVAL)]
)
def test_what_lasts_is_read_ever_more_seldom(age: float, seconds: float) -> None:
    assert read_interval(age) == seconds


async def test_a_pod_is_read_about_once_it_has_waited_for_a_while() -> None:
    server, clock = Server({"items": [an_event("Readiness probe failed: no")]}), Clock()
    notes = PodEventReader(server, clock=clock)
    assert await notes.read(KEY, "a") == ((), FIRST_READ_DELAY)
    clock.now += 1.0
    assert await notes.read(KEY, "a") == ((), 1.0)
    assert server.asked == []
    clock.now += 1.0
    assert await notes.read(KEY, "a") == (("Readiness probe failed: no",), 2.0)
    assert await notes.read(KEY, "a") == (("Readiness probe failed: no",), 2.0)
    assert server.asked == ["GET /api/v1/namespaces/ml/events involvedObject.uid=a,type=Warning"]


async def test_what_is_known_outlives_a_failure_and_not_the_pod() -> None:
    server, clock = Server({"items": [an_event("no")]}, UnreachableError("down")), Clock()
    notes = PodEventReader(server, clock=clock)
    for _ in range(3):
        told, _ = await notes.read(KEY, "a")
        clock.now += FIRST_READ_DELAY
    assert told == ("no",)
    assert len(server.asked) == 2
    assert await notes.read(KEY, "b") == ((), FIRST_READ_DELAY)
    assert await notes.read(KEY, None) == ((), None)
    assert await notes.read(KEY, "b") == ((), FIRST_READ_DELAY)
