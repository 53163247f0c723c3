"""Events are posted aside, limited, and their failure is nobody's."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import ForbiddenError, NamespaceTerminatingError, OperatorError, UnreachableError
from modelservice_operator.events.recorder import BURST, REFILL_SECONDS, EventRecorder, build_event
from modelservice_operator.events.transitions import EventReason, EventSpec

ABOUT = {"metadata": {"name": "iris", "namespace": "ml", "uid": "1"}}
TOLD = EventSpec(EventReason.FAILED, "Judge", "CrashLoop: no.", "Warning")


class Server(RestClient):
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self, *failures: OperatorError) -> None:
        self.failures = list(failures)
        self.posted: list[dict[str, Any]] = []
        self.reached = asyncio.Event()

    async def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        self.posted.append({"to": f"{method} {path}"} | options["body"])
        self.reached.set()
        if self.failures:
            raise self.failures.pop(0)
        return {}


class Clock:
    """A monotonic clock that stands still."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def posted(recorder: EventRecorder, server: Server, count: int) -> list[dict[str, Any]]:
    """Run until so many were posted."""
    async with asyncio.timeout(20):
        task = asyncio.create_task(recorder.run())
        while len(server.posted) < count:
            server.reached.clear()
            await server.reached.wait()
    task.cancel()
    return server.posted


def test_an_event_has_what_the_api_asks_for() -> None:
    body = build_event(ABOUT["metadata"], TOLD, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC))
    name = body["metadata"].pop("name")
    assert name.startswith("iris.")
    assert (
        name != build_event(ABOUT["metadata"], TOLD, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC))["metadata"]["name"]
    )
    assert body.pop("reportingInstance")
    assert body == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": "ml"},
        "eventTime": "2026-01-02T03:04:05.000006Z",
        "type": "Warning",
        "reason": "Failed",
        "action": "Judge",
        "note": "CrashLoop: no.",
        "regarding": {
            "apiVersion": "modelservice.dev/v1alpha1",
            "kind": "ModelService",
            "namespace": "ml",
            "name": "iris",
            "uid": "1",
        },
        "reportingController": "modelservice.dev/modelservice-operator",
    }


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (ForbiddenError("No."), True),
        (UnreachableError("No answer."), True),
        (NamespaceTerminatingError("It goes."), False),
    ],
)
async def test_a_failure_to_post_is_nobody_s(
    failure: OperatorError, caplog: pytest.LogCaptureFixture, *, told: bool
) -> None:
    caplog.set_level("INFO")
    server = Server(failure)
    recorder = EventRecorder(server, is_busy=lambda: False)
    recorder.record(ABOUT, [TOLD, TOLD])
    first, second = await posted(recorder, server, 2)
    assert first["to"] == second["to"] == "POST /apis/events.k8s.io/v1/namespaces/ml/events"
    assert bool(caplog.records) is told


async def test_an_object_has_a_budget_that_fills_again() -> None:
    server, clock = Server(), Clock()
    recorder = EventRecorder(server, is_busy=lambda: False, clock=clock)
    recorder.record(ABOUT, [TOLD] * (BURST + 5))
    clock.now += REFILL_SECONDS
    recorder.record(ABOUT, [TOLD] * 2)
    recorder.record({"metadata": ABOUT["metadata"] | {"uid": "2"}}, [TOLD])
    assert len(await posted(recorder, server, BURST + 2)) == BURST + 2


async def test_what_is_more_urgent_goes_first() -> None:
    server, order = Server(), list[str]()
    waiting = [True, True, False]

    def busy() -> bool:
        order.append(f"{len(server.posted)} posted")
        return waiting.pop(0)

    recorder = EventRecorder(server, is_busy=busy)
    recorder.record(ABOUT, [TOLD])
    await posted(recorder, server, 1)
    assert order == ["0 posted"] * 3
