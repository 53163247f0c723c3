"""Each label has values of a closed set, whatever the objects and the API server contain."""

from http import HTTPStatus

import pytest

from modelservice_operator import __version__
from modelservice_operator.apimachinery.kinds import CHILD_KINDS, DIAGNOSTIC_KINDS, LEASE, MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apply.corrections import Action
from modelservice_operator.cache.reflector import WatchEnd
from modelservice_operator.client.credentials import Credentials
from modelservice_operator.controller.model_loads import LOAD_REASONS
from modelservice_operator.controller.summaries import NO_STATUS, READY_REASONS, STATUSES, summarize_readiness
from modelservice_operator.manager.manager import Manager
from modelservice_operator.metrics.instruments import (
    CONTROLLER,
    NO_RESPONSE,
    OTHER,
    REGISTRY,
    ReconcileResult,
    WriteReason,
    record_conflict,
    record_correction,
    record_load,
    record_reconcile,
    record_reconcile_error,
    record_request_seconds,
    record_response,
    record_write,
)
from modelservice_operator.settings import LEASE_NAME, Settings

KINDS = {kind.kind for kind in (*CHILD_KINDS, *DIAGNOSTIC_KINDS, LEASE, MODEL_SERVICE)} | {"Event"}
METHODS = {"DELETE", "GET", "PATCH", "POST", "PUT", OTHER}
CLOSED: dict[str, set[str]] = {
    "controller": {CONTROLLER},
    "name": {CONTROLLER, LEASE_NAME},
    "result": {result.value for result in ReconcileResult},
    "method": METHODS,
    "verb": METHODS,
    "code": {str(code.value) for code in HTTPStatus} | {NO_RESPONSE, OTHER},
    "kind": KINDS,
    "action": {action.name.lower() for action in Action},
    "cause": {end.value for end in WatchEnd},
    "ready": set(STATUSES),
    "reason": {reason.value for reason in WriteReason} | READY_REASONS | LOAD_REASONS,
    "version": {__version__},
}
"""Allowed values by label; `le` is bounded by the buckets, `python` has one value a process."""


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def service(**ready: object) -> Object:
    return {"status": {"conditions": [{"type": "Ready", **ready}]}}


def test_every_label_is_of_a_closed_set() -> None:
    Manager(lambda: Credentials("http://127.0.0.1:9", None, None), Settings())
    for code in (0, 200, 404, 299, 999):
        record_response("GET", code)
    record_response("X-INVENTED", 200)
    record_request_seconds("GET", 0.1)
    record_reconcile(ReconcileResult.SUCCESS, 0.1)
    record_write(MODEL_SERVICE.kind, WriteReason.STATUS)
    record_conflict(MODEL_SERVICE.kind)
    record_correction("Service", Action.CREATE.name.lower())
    record_load("Loaded", seconds=1, size=1, is_loaded=True)
    samples = [sample for family in REGISTRY.collect() for sample in family.samples]
    found = {(name, text) for sample in samples for name, text in sample.labels.items() if name not in {"le", "python"}}
    assert {(name, text) for name, text in found if text not in CLOSED.get(name, ())} == set()
    assert not {name for name, _ in found} & {"namespace", "model", "pod", "uid", "message"}
    assert len(samples) < 1000


def test_every_metric_has_a_name_and_help_of_its_own() -> None:
    families = list(REGISTRY.collect())
    assert len({family.name for family in families}) == len(families)
    known = ("modelservice_", "controller_runtime_", "workqueue_", "rest_client_", "leader_election_", "process_")
    assert [family.name for family in families if not family.name.startswith(known)] == []
    assert all(family.documentation.endswith(".") for family in families)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, ("Unknown", NO_STATUS)),
        (service(status="True", reason="RolloutComplete"), ("True", "RolloutComplete")),
        (service(status="False", reason="InventedByAnotherClient"), ("False", OTHER)),
        (service(status="No\nidea", reason="Starting"), ("Unknown", "Starting")),
    ],
)
def test_readiness_is_of_a_closed_set(found: Object, expected: tuple[str, str]) -> None:
    assert summarize_readiness(found) == expected
    assert summarize_readiness(found) is summarize_readiness(found)


def test_reconcile_errors_are_counted_by_who_acts() -> None:
    before = [value(f"controller_runtime_{name}_total", controller=CONTROLLER) for name in ERROR_COUNTERS]
    record_reconcile_error()
    record_reconcile_error(is_terminal=True)
    record_reconcile_error(is_unexpected=True)
    after = [value(f"controller_runtime_{name}_total", controller=CONTROLLER) for name in ERROR_COUNTERS]
    assert [new - old for old, new in zip(before, after, strict=True)] == [3, 1, 1]


ERROR_COUNTERS = ("reconcile_errors", "terminal_reconcile_errors", "reconcile_panics")
