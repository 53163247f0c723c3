"""Writes of a status that differs only in what the Deployment controller has not observed yet."""

from typing import Any

import pytest

from modelservice_operator.apply.writer import ObjectWriter
from modelservice_operator.controller.object_state import ObjectState
from modelservice_operator.controller.status_writer import UNOBSERVED_GRACE_SECONDS, StatusWriter
from modelservice_operator.events.recorder import EventRecorder
from modelservice_operator.settings import Settings
from tests.support.clock import ManualClock

READY = {"type": "Ready", "status": "True", "reason": "RolloutComplete"}
PENDING = {"type": "Ready", "status": "False", "reason": "DeploymentPending"}
STEP = 5.0


class Writer(ObjectWriter):
    """Records the statuses that are written."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []

    async def update_status(self, _live: dict[str, Any], status: dict[str, Any]) -> bool:
        self.written.append(status)
        return True


class Recorder(EventRecorder):
    """Records no Event."""

    def __init__(self) -> None:
        pass

    def record(self, *_: object) -> None:
        pass


def status_of(ready: dict[str, str]) -> dict[str, Any]:
    return {"observedGeneration": 1, "replicas": 1, "conditions": [ready]}


@pytest.mark.parametrize(("proceeds", "writes"), [(True, 0), (False, 1)])
async def test_generation_is_late_if_none_is_observed(*, proceeds: bool, writes: int) -> None:
    """Another client changes an annotation of the Deployment all the time, so that the newest generation is pending."""
    clock, writer, state = ManualClock(1000), Writer(), ObjectState()
    status_writer = StatusWriter(writer, Recorder(), Settings(), children_are_pending=lambda: False, clock=clock)
    live = {"metadata": {"name": "iris", "namespace": "ml"}, "status": status_of(READY)}
    for generation in range(1, 1 + int(2 * UNOBSERVED_GRACE_SECONDS / STEP)):
        state.observe(generation if proceeds else 1)
        if not writer.written:
            await status_writer.write(state, live, status_of(PENDING), urgent=False)
        clock.seconds += STEP
    assert len(writer.written) == writes
