"""Counters and histograms of the operator. The children of labels are bound once, not at each call.

Every label has values of a closed set: no name, namespace or message of an object becomes one.
"""

from collections.abc import Iterable
from enum import StrEnum
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

REGISTRY = CollectorRegistry()
"""Everything that /metrics reports."""
CONTROLLER = "modelservice"
"""Value of the labels `controller` and `name`, as controller-runtime sets them: there is one controller."""
NO_RESPONSE = "<error>"
"""Value of the label `code` for a request without a response, as in client-go."""
OTHER = "Other"
"""Value of a label for what is not in its set."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_LOAD_SECONDS = (1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0)
_LOAD_BYTES = tuple(10.0**exponent * factor for exponent in range(6, 13) for factor in (1, 3))

# The times of creation are as many series again, and nothing reads them.
disable_created_metrics()  # type: ignore[no-untyped-call]
ProcessCollector(registry=REGISTRY)


class ReconcileResult(StrEnum):
    """Results of a reconcile (controller-runtime, internal/controller/metrics)."""

    SUCCESS = "success"
    ERROR = "error"
    REQUEUE_AFTER = "requeue_after"


class WriteReason(StrEnum):
    """Why an object was written."""

    CREATE = "create"
    APPLY = "apply"
    REPLACE = "replace"
    SCALE = "scale"
    ADOPT = "adopt"
    RELEASE_FIELDS = "release_fields"
    DELETE = "delete"
    STATUS = "status"
    EVENT = "event"
    LEASE = "lease"


_RECONCILES = Counter(
    "controller_runtime_reconcile_total", "Reconciles by result.", ["controller", "result"], registry=REGISTRY
)
_RECONCILE_SECONDS = Histogram(
    "controller_runtime_reconcile_time_seconds",
    "Duration of a reconcile, with its requests, by result.",
    ["controller", "result"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
_ERRORS = Counter(
    "controller_runtime_reconcile_errors_total",
    "Reconciles that ended with an error.",
    ["controller"],
    registry=REGISTRY,
).labels(CONTROLLER)
_TERMINAL_ERRORS = Counter(
    "controller_runtime_terminal_reconcile_errors_total",
    "Reconciles that ended with an error that a user must correct.",
    ["controller"],
    registry=REGISTRY,
).labels(CONTROLLER)
_PANICS = Counter(
    "controller_runtime_reconcile_panics_total",
    "Reconciles that ended with an unexpected error, which is a bug.",
    ["controller"],
    registry=REGISTRY,
).labels(CONTROLLER)
_RESULTS = {
    result: (_RECONCILES.labels(CONTROLLER, result.value), _RECONCILE_SECONDS.labels(CONTROLLER, result.value))
    for result in ReconcileResult
}

QUEUE_ADDS = Counter(
    "workqueue_adds_total", "Keys that were added to the queue.", ["name", "controller"], registry=REGISTRY
).labels(CONTROLLER, CONTROLLER)
QUEUE_RETRIES = Counter(
    "workqueue_retries_total", "Keys that were added again after a failure.", ["name", "controller"], registry=REGISTRY
).labels(CONTROLLER, CONTROLLER)
QUEUE_SECONDS = Histogram(
    "workqueue_queue_duration_seconds",
    "Time that a key waited for a worker.",
    ["name", "controller"],
    buckets=_SECONDS,
    registry=REGISTRY,
).labels(CONTROLLER, CONTROLLER)
WORK_SECONDS = Histogram(
    "workqueue_work_duration_seconds",
    "Time that a worker had a key.",
    ["name", "controller"],
    buckets=_SECONDS,
    registry=REGISTRY,
).labels(CONTROLLER, CONTROLLER)

_REQUESTS = Counter(
    "rest_client_requests_total",
    "Requests to the API server, watches included, by method and status code.",
    ["method", "code"],
    registry=REGISTRY,
)
_REQUEST_SECONDS = Histogram(
    "rest_client_request_duration_seconds",
    "Duration of a request to the API server, without watches, by method.",
    ["verb"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
_REQUEST_SECONDS_OF = {method: _REQUEST_SECONDS.labels(method) for method in _METHODS}
_CODES = frozenset(code.value for code in HTTPStatus)
_requests_of: dict[tuple[str, int], Counter] = {}

_WRITES = Counter(
    "modelservice_writes_total", "Objects that were written, by kind and reason.", ["kind", "reason"], registry=REGISTRY
)
_CONFLICTS = Counter(
    "modelservice_write_conflicts_total",
    "Writes that the API server rejected because the object had changed or existed (409), by kind.",
    ["kind"],
    registry=REGISTRY,
)
_CORRECTIONS = Counter(
    "modelservice_corrections_total",
    "Corrections of what another client had changed (drift), by kind and action.",
    ["kind", "action"],
    registry=REGISTRY,
)
_writes_of: dict[tuple[str, WriteReason], Counter] = {}

_LOADS = Counter(
    "modelservice_model_loads_total",
    "Loader runs that ended, by the reason that they reported.",
    ["reason"],
    registry=REGISTRY,
)
_LOAD_SECONDS_OF_MODELS = Histogram(
    "modelservice_model_load_seconds",
    "Time that a loader needed to load a model, without those found in a cache.",
    buckets=_LOAD_SECONDS,
    registry=REGISTRY,
)
_LOAD_BYTES_OF_MODELS = Histogram(
    "modelservice_model_load_bytes",
    "Size of a loaded model, without those found in a cache.",
    buckets=_LOAD_BYTES,
    registry=REGISTRY,
)

EVENT_LOOP_LAG = Histogram(
    "modelservice_event_loop_lag_seconds",
    "Time by which the event loop was late for a timer.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
    registry=REGISTRY,
)


def record_reconcile(result: ReconcileResult, seconds: float) -> None:
    """Count a reconcile."""
    total, duration = _RESULTS[result]
    total.inc()
    duration.observe(seconds)


def record_reconcile_error(*, is_terminal: bool = False, is_unexpected: bool = False) -> None:
    """Count an error of a reconcile: one that a user must correct, a bug, or neither."""
    _ERRORS.inc()
    if is_terminal:
        _TERMINAL_ERRORS.inc()
    if is_unexpected:
        _PANICS.inc()


def record_response(method: str, code: int) -> None:
    """Count a request by its status code; 0 means that there was no response."""
    bound = _requests_of.get((method, code))
    if bound is None:
        bound = _requests_of[method, code] = _REQUESTS.labels(_method(method), _code(code))
    bound.inc()


def record_request_seconds(method: str, seconds: float) -> None:
    """Count the duration of a request. Watches are left out."""
    _REQUEST_SECONDS_OF[method].observe(seconds)


def record_write(kind: str, reason: WriteReason) -> None:
    """Count a write that the API server accepted. `kind` is one of `apimachinery.kinds`."""
    bound = _writes_of.get((kind, reason))
    if bound is None:
        bound = _writes_of[kind, reason] = _WRITES.labels(kind, reason.value)
    bound.inc()


def record_conflict(kind: str) -> None:
    """Count a write that the API server rejected with 409."""
    _CONFLICTS.labels(kind).inc()


def record_correction(kind: str, action: str) -> None:
    """Count a correction of what another client had changed. `action` is one of `apply.corrections.Action`."""
    _CORRECTIONS.labels(kind, action).inc()


def prepare_kinds(kinds: tuple[str, ...], actions: tuple[str, ...]) -> None:
    """Report 0 corrections and conflicts of these kinds from the start: a rate needs a first value."""
    for kind in kinds:
        _CONFLICTS.labels(kind)
        for action in actions:
            _CORRECTIONS.labels(kind, action)


def prepare_loads(reasons: Iterable[str]) -> None:
    """Report 0 loads of each reason from the start: the increase of the first one counts, and panels show it."""
    for reason in sorted(reasons):
        _LOADS.labels(reason)


def record_load(reason: str, *, seconds: float = 0.0, size: int = 0, is_loaded: bool) -> None:
    """Count the end of a loader. `reason` is of a closed set; `is_loaded`: it has downloaded a model."""
    _LOADS.labels(reason).inc()
    if is_loaded:
        _LOAD_SECONDS_OF_MODELS.observe(seconds)
        _LOAD_BYTES_OF_MODELS.observe(size)


def _method(method: str) -> str:
    return method if method in _METHODS else OTHER


def _code(code: int) -> str:
    if code == 0:
        return NO_RESPONSE
    return str(code) if code in _CODES else OTHER
