"""Selection of the Events of an unready pod, and times at which they are read."""

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
from modelservice_operator.status.pods import Pod
from tests.support.clock import ManualClock
from tests.support.pods import PodBuilder, new_pod


def event(message: str, *, reason: str = "Unhealthy", **fields: Any) -> dict[str, Any]:
    return {"metadata": {"creationTimestamp": "2026-01-02T03:00:00Z"}, "reason": reason, "message": message} | fields


class Server(RestClient):
    """Returns `answers` one by one, and records the requests."""

    def __init__(self, *answers: dict[str, Any] | UnreachableError) -> None:
        self.answers = list(answers)
        self.requests: list[str] = []

    async def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        self.requests.append(f"{method} {path} {options['params']['fieldSelector']}")
        answer = self.answers.pop(0)
        if isinstance(answer, UnreachableError):
            raise answer
        return answer


def pod_named(uid: str, builder: PodBuilder | None = None) -> Pod:
    return Pod.of((builder or new_pod().running(started=True)).body())._replace(uid=uid)


def test_messages_are_newest_first_and_unique() -> None:
    events = [
        event("old", lastTimestamp="2026-01-02T03:00:01Z"),
        event("new", lastTimestamp="2026-01-02T03:00:09Z"),
        event("in a series", series={"lastObservedTime": "2026-01-02T03:00:05.000000Z"}),
        event("old", eventTime="2026-01-02T03:00:04.000000Z", lastTimestamp=None),
        event("creation time only"),
        event("unrelated", reason="BackOff", lastTimestamp="2026-01-02T03:00:10Z"),
        event("", reason="FailedMount"),
    ]
    assert pod_event_messages(events) == ("new", "in a series", "old", "creation time only")


@pytest.mark.parametrize(
    ("age", "seconds"), [(0, FIRST_READ_DELAY), (8, 2.0), (12, 3.0), (60, 15.0), (9999, MAX_READ_INTERVAL)]
)
def test_read_interval_grows_with_age(age: float, seconds: float) -> None:
    assert read_interval(age) == seconds


async def test_events_are_read_after_the_pod_has_waited() -> None:
    server, clock = Server({"items": [event("Readiness probe failed: no")]}), ManualClock()
    reader = PodEventReader(server, clock=clock)
    pod = await reader.read("ml", pod_named("a"), None)
    assert (pod.messages, reader.seconds_to_next_read(pod)) == ((), FIRST_READ_DELAY)
    clock.seconds += 1.0
    pod = await reader.read("ml", pod_named("a"), pod)
    assert (pod.messages, reader.seconds_to_next_read(pod)) == ((), 1.0)
    assert server.requests == []
    clock.seconds += 1.0
    for _ in range(2):
        pod = await reader.read("ml", pod_named("a"), pod)
        assert (pod.messages, reader.seconds_to_next_read(pod)) == (("Readiness probe failed: no",), 2.0)
    assert server.requests == ["GET /api/v1/namespaces/ml/events involvedObject.uid=a,type=Warning"]


async def test_messages_outlive_a_failed_read_but_not_the_pod() -> None:
    server, clock = Server({"items": [event("no")]}, UnreachableError("down")), ManualClock()
    reader = PodEventReader(server, clock=clock)
    pod = None
    for _ in range(3):
        pod = await reader.read("ml", pod_named("a"), pod)
        clock.seconds += FIRST_READ_DELAY
    assert pod is not None
    assert pod.messages == ("no",)
    assert len(server.requests) == 2
    other = await reader.read("ml", pod_named("b"), pod)
    assert (other.messages, reader.seconds_to_next_read(other)) == ((), FIRST_READ_DELAY)


async def test_events_are_read_often_again_once_a_container_starts() -> None:
    server, clock = Server(*({"items": []} for _ in range(20))), ManualClock()
    reader = PodEventReader(server, clock=clock)
    creating = new_pod().waiting("ContainerCreating").with_condition("PodReadyToStartContainers", "False")
    pod = await reader.read("ml", pod_named("a", creating), None)
    for _ in range(40):
        clock.seconds += 1.0
        pod = await reader.read("ml", pod_named("a", creating), pod)
    assert read_interval(clock.seconds - pod.since) > 3 * FIRST_READ_DELAY
    for running in (new_pod().running(started=False), new_pod().running(started=False, exitCode=1, reason="Error")):
        pod = await reader.read("ml", pod_named("a", running), pod)
        assert reader.seconds_to_next_read(pod) <= FIRST_READ_DELAY
    started_at = pod.since
    clock.seconds += 9.0
    pod = await reader.read("ml", pod_named("a", new_pod().running(started=True)), pod)
    assert pod.since == started_at  # another run of the same container does not count
