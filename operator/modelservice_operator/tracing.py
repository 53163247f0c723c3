"""Traces of reconciles with their requests, by OpenTelemetry: an optional extra, off by default.

The only module that imports opentelemetry, and only in `start`: without `--tracing` nothing of it is loaded, and every
function here returns at its first line. A span is created with the first request of a reconcile, or with its error: a
reconcile that finds nothing to do has no span, so that nothing is exported while nothing changes.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self

from modelservice_operator.errors import TracingUnavailableError
from modelservice_operator.settings import FIELD_MANAGER

if TYPE_CHECKING:
    from types import TracebackType

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

logger = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 2.0
"""Seconds for the spans that are queued when the operator stops; the pod has 30 s for everything."""
_PROTOCOL_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
_FIRST_ERROR_STATUS = 400
_MISSING = (
    "--tracing needs the packages of the extra `tracing`: install modelservice-operator[tracing], or build the image"
    " with --build-arg OPERATOR_EXTRAS=tracing (docs/logs.md)."
)


class _Tracing:
    """The objects of OpenTelemetry that spans need."""

    def __init__(self, tracer: Tracer, propagator: TraceContextTextMapPropagator) -> None:
        from opentelemetry import trace

        self.tracer = tracer
        self.propagator = propagator
        self.api = trace


_tracing: _Tracing | None = None
"""None while tracing is off."""
_CURRENT: ContextVar[ReconcileTrace | None] = ContextVar("_CURRENT", default=None)


class Exporter:
    """The running export of spans, in a thread; `close` it at the end."""

    def __init__(self, provider: Any) -> None:  # noqa: ANN401 - a type of the extra
        self._provider = provider

    def close(self) -> None:
        """Send what is queued, within `SHUTDOWN_SECONDS`: a collector that hangs does not delay the end."""
        global _tracing  # noqa: PLW0603 - one provider a process, as in OpenTelemetry
        _tracing = None
        thread = threading.Thread(target=self._provider.shutdown, name="end of tracing", daemon=True)
        thread.start()
        thread.join(SHUTDOWN_SECONDS)


def start(version: str) -> Exporter:
    """Start tracing, configured by the OTEL_* variables. Raises TracingUnavailableError.

    The queue of spans is bounded (OTEL_BSP_MAX_QUEUE_SIZE): when it is full, spans are dropped and nothing waits.
    """
    global _tracing  # noqa: PLW0603
    try:
        import requests
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError as error:
        raise TracingUnavailableError(_MISSING) from error
    # Neither a proxy nor a netrc file of the environment: the endpoint and its headers are configured explicitly.
    session = requests.Session()
    session.trust_env = False
    _warn_of_other_protocols()
    try:
        provider = TracerProvider(resource=Resource.create(_resource_attributes(version)), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(session=session)))
    except ValueError as error:
        raise TracingUnavailableError(f"An OTEL_* variable has a value that cannot be used: {error}") from error
    _tracing = _Tracing(provider.get_tracer(__name__, version), TraceContextTextMapPropagator())
    return Exporter(provider)


def _resource_attributes(version: str) -> dict[str, str]:
    """Return the attributes of this process, which would override those of the environment."""
    is_named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return {"service.version": version} | ({} if is_named else {"service.name": FIELD_MANAGER})


def _warn_of_other_protocols() -> None:
    for name in _PROTOCOL_VARIABLES:
        if os.environ.get(name, _PROTOCOL) != _PROTOCOL:
            logger.warning("%s is %s, but spans are sent by %s", name, os.environ[name], _PROTOCOL)


class ReconcileTrace:
    """The trace of one reconcile. Every method does nothing while tracing is off."""

    __slots__ = ("_attributes", "_context", "_error", "_span", "_started", "_token")

    def __init__(self, namespace: str, name: str) -> None:
        self._span: Span | None = None
        self._context: Context | None = None
        self._error: BaseException | None = None
        self._attributes: dict[str, str | int] = {"k8s.namespace.name": namespace, "modelservice.name": name}
        self._started = time.time_ns()
        self._token = _CURRENT.set(self) if _tracing is not None else None

    def identify(self, uid: str, generation: int) -> None:
        """Add the UID and the generation of the ModelService."""
        self._attributes |= {"modelservice.uid": uid, "modelservice.generation": generation}

    def fail(self, error: BaseException) -> None:
        """Record the error with which the reconcile ends."""
        self._error = error

    def end(self) -> None:
        """End the span, if there was a request or an error."""
        if self._token is None:
            return
        _CURRENT.reset(self._token)
        if self._error is not None:
            self.open()
        if self._span is None or _tracing is None:
            return
        result = "success" if self._error is None else "error"
        self._span.set_attributes({**self._attributes, "modelservice.result": result})
        _set_error(self._span, self._error)
        self._span.end()

    def open(self) -> Context | None:
        """Return the context of child spans, with a span that began with the reconcile."""
        if self._span is None and _tracing is not None:
            self._span = _tracing.tracer.start_span(
                "reconcile", context=_empty_context(), attributes=self._attributes, start_time=self._started
            )
            self._context = _tracing.api.set_span_in_context(self._span, _empty_context())
        return self._context

    def ids(self) -> dict[str, str]:
        """Return trace and span for log lines; nothing before the first request."""
        if self._span is None:
            return {}
        context = self._span.get_span_context()
        return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


class RequestSpan:
    """The span of one request; use it as a context manager, and add `headers` to the request."""

    __slots__ = ("_span", "headers")

    def __init__(self, span: Span, headers: tuple[tuple[str, str], ...]) -> None:
        self._span = span
        self.headers = headers

    def set_status(self, code: int) -> None:
        """Record the status of the response."""
        self._span.set_attribute("http.response.status_code", code)
        if code >= _FIRST_ERROR_STATUS:
            _set_error(self._span, None, kind=str(code))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        _set_error(self._span, error)
        self._span.end()


class NoSpan:
    """The span of a request outside of a trace."""

    __slots__ = ()
    headers: tuple[tuple[str, str], ...] = ()

    def set_status(self, code: int) -> None:
        """Record nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Record nothing."""


_NO_SPAN = NoSpan()


def request_span(method: str, server: str, path: str) -> RequestSpan | NoSpan:
    """Return the span of a request of the current reconcile, by the semantic conventions for HTTP clients.

    The query is left out, and so are all headers and bodies.
    """
    trace = _CURRENT.get() if _tracing is not None else None
    if trace is None or _tracing is None:
        return _NO_SPAN
    template = path_template(path)
    scheme, _, authority = server.partition("://")
    host, _, port = authority.partition("/")[0].rpartition("@")[2].rpartition(":")
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "url.scheme": scheme,
        "url.path": path,
        "url.template": template,
        "server.address": (host or port).strip("[]"),
    }
    if host and port.isdecimal():
        attributes["server.port"] = int(port)
    parent = trace.open()
    span = _tracing.tracer.start_span(
        f"{method} {template}", context=parent, kind=_tracing.api.SpanKind.CLIENT, attributes=attributes
    )
    carrier: dict[str, str] = {}
    _tracing.propagator.inject(carrier, context=_tracing.api.set_span_in_context(span, _empty_context()))
    return RequestSpan(span, tuple(carrier.items()))


def path_template(path: str) -> str:
    """Return the path of a request with placeholders for namespace and name: few values, as names of spans need."""
    parts = path.split("/")
    if "namespaces" in parts:
        at = parts.index("namespaces")
        for offset, placeholder in ((1, "{namespace}"), (3, "{name}")):
            if at + offset < len(parts):
                parts[at + offset] = placeholder
    return "/".join(parts)


def current_ids() -> dict[str, str]:
    """Return trace and span of the current reconcile for a log line; nothing outside of a trace."""
    trace = _CURRENT.get() if _tracing is not None else None
    return {} if trace is None else trace.ids()


def _empty_context() -> Context:
    from opentelemetry.context import Context

    return Context()


def _set_error(span: Span, error: BaseException | None, *, kind: str = "") -> None:
    """Record an error: its class or status, and its message, which the status of the ModelService has too."""
    if _tracing is None or (error is None and not kind):
        return
    code = _tracing.api.StatusCode.ERROR
    span.set_attribute("error.type", kind or type(error).__name__)
    span.set_status(_tracing.api.Status(code, None if error is None else str(error)))
