import json
from typing import Any

from modelservice_operator.controller.model_loads import UnfinishedLoads, count_loads
from modelservice_operator.metrics.instruments import OTHER, REGISTRY
from modelservice_operator.resources.metadata import LOADER_NAME
from tests.support.pods import PodBuilder, new_pod
from tests.support.snapshots import snapshot


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def loads(reason: str) -> float:
    return value("modelservice_model_loads_total", reason=reason)


def ended(time: str, *, code: int = 0, **report: Any) -> PodBuilder:
    terminated = {"exitCode": code, "finishedAt": time, "message": json.dumps(report)}
    return new_pod().container(LOADER_NAME, init=True, state={"terminated": terminated})


def count(pod: PodBuilder, before: UnfinishedLoads | None = None) -> UnfinishedLoads | None:
    return count_loads(snapshot(pod), before)


def running() -> UnfinishedLoads | None:
    return count(new_pod().container(LOADER_NAME, init=True, state={"running": {}}))


def test_load_is_counted_once_with_its_size() -> None:
    names = ("modelservice_model_load_seconds_sum", "modelservice_model_load_bytes_sum")
    before, sums = loads("Loaded"), [value(name) for name in names]
    state = count(ended("t1", reason="Loaded", bytes=4096, seconds=2.5), running())
    assert state is None
    assert count(ended("t1", reason="Loaded", bytes=4096, seconds=2.5), state) is None
    assert loads("Loaded") - before == 1
    assert [value(name) - old for name, old in zip(names, sums, strict=True)] == [2.5, 4096]


def test_load_that_had_ended_before_the_start_is_not_counted() -> None:
    before = loads("Loaded")
    assert count(ended("t1", reason="Loaded", bytes=1, seconds=1)) is None
    assert loads("Loaded") == before


def test_each_failure_of_a_loader_is_counted() -> None:
    before, state = loads("AccessDenied"), running()
    for time in ("t1", "t1", "t2"):
        state = count(ended(time, code=1, reason="AccessDenied"), state)
    assert loads("AccessDenied") - before == 2
    assert state is not None


def test_reason_of_a_custom_loader_is_other() -> None:
    before = loads(OTHER)
    count(ended("t1", code=1, reason="InventedByAnImage"), running())
    assert loads(OTHER) - before == 1
