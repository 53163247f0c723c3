"""Events are written in the background and rate limited; a failure to write one fails nothing else."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import (
    AdmissionUnavailableError,
    ForbiddenError,
    NamespaceTerminatingError,
    OperatorError,
    UnreachableError,
)
from modelservice_operator.events.recorder import BURST, HANG_TTL, REFILL_SECONDS, EventRecorder, build_event
from modelservice_operator.events.transitions import EventReason, EventSpec
from tests.support.clock import ManualClock

REGARDING = {"metadata": {"name": "iris", "namespace": "ml", "uid": "1"}}
EVENT = EventSpec(EventReason.FAILED, "Reconcile", "CrashLoop: no.", "Warning")


class Server(RestClient):
    """Fails with `failures`, then accepts, and records what is posted."""

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


async def posted(recorder: EventRecorder, server: Server, count: int) -> list[dict[str, Any]]:
    """Run until `count` Events were posted."""
    async with asyncio.timeout(20):
        task = asyncio.create_task(recorder.run())
        while len(server.posted) < count:
            server.reached.clear()
            await server.reached.wait()
    task.cancel()
    return server.posted


def test_build_event() -> None:
    body = build_event(REGARDING["metadata"], EVENT, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC))
    name = body["metadata"].pop("name")
    assert name.startswith("iris.")
    assert (
        name
        != build_event(REGARDING["metadata"], EVENT, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC))["metadata"]["name"]
    )
    assert body.pop("reportingInstance")
    assert body == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": "ml"},
        "eventTime": "2026-01-02T03:04:05.000006Z",
        "type": "Warning",
        "reason": "Failed",
        "action": "Reconcile",
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
    ("failure", "logged"),
    [
        (ForbiddenError("No."), True),
        (UnreachableError("No answer."), True),
        (NamespaceTerminatingError("It is being deleted."), False),
    ],
)
async def test_failure_to_post_is_logged_at_most(
    failure: OperatorError, caplog: pytest.LogCaptureFixture, *, logged: bool
) -> None:
    caplog.set_level("INFO")
    server = Server(failure)
    recorder = EventRecorder(server, is_busy=lambda: False)
    recorder.record(REGARDING, [EVENT, EVENT])
    first, second = await posted(recorder, server, 2)
    assert first["to"] == second["to"] == "POST /apis/events.k8s.io/v1/namespaces/ml/events"
    assert bool(caplog.records) is logged


async def test_budget_of_an_object_refills() -> None:
    server, clock = Server(), ManualClock()
    recorder = EventRecorder(server, is_busy=lambda: False, clock=clock)
    recorder.record(REGARDING, [EVENT] * (BURST + 5))
    clock.seconds += REFILL_SECONDS
    recorder.record(REGARDING, [EVENT] * 2)
    recorder.record({"metadata": REGARDING["metadata"] | {"uid": "2"}}, [EVENT])
    assert len(await posted(recorder, server, BURST + 2)) == BURST + 2


async def test_events_wait_for_an_idle_queue() -> None:
    server, order = Server(), list[str]()
    waiting = [True, True, False]

    def busy() -> bool:
        order.append(f"{len(server.posted)} posted")
        return waiting.pop(0)

    recorder = EventRecorder(server, is_busy=busy)
    recorder.record(REGARDING, [EVENT])
    await posted(recorder, server, 1)
    assert order == ["0 posted"] * 3


async def test_namespace_behind_a_hanging_webhook_is_skipped() -> None:
    """Otherwise each of its Events would delay those of the other namespaces by the time limit of the webhook."""
    server, clock = Server(AdmissionUnavailableError("failed calling webhook")), ManualClock()
    recorder = EventRecorder(server, is_busy=lambda: False, clock=clock)
    other = {"metadata": {"name": "iris", "namespace": "other", "uid": "2"}}
    recorder.record(REGARDING, [EVENT, EVENT])
    recorder.record(other, [EVENT])
    bodies = await posted(recorder, server, 2)
    assert [body["metadata"]["namespace"] for body in bodies] == ["ml", "other"]
    clock.seconds += HANG_TTL + 1
    recorder.record(REGARDING, [EVENT])
    assert len(await posted(recorder, server, 3)) == 3
