"""A receiver of traces on the loopback interface: OTLP over HTTP, decoded by the protobuf classes of OpenTelemetry.

It replaces a collector, whose Go program would take minutes to build and adds nothing to what is decoded here.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class ReceivedSpan:
    """One span, as the protocol has it."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, str | int]
    resource: dict[str, str | int]


@dataclass
class OtlpReceiver:
    """Receives spans; while `hang` is set, it answers no request."""

    url: str
    spans: list[ReceivedSpan] = field(default_factory=list)
    requests: int = 0
    hang: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def receive(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces"
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _attributes(group.resource.attributes)
            self.spans += [
                ReceivedSpan(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    _attributes(span.attributes),
                    resource,
                )
                for scope in group.scope_spans
                for span in scope.spans
            ]

    def traces_of(self, name: str) -> list[list[ReceivedSpan]]:
        """Return the traces of a ModelService: the span of the reconcile, then those of its requests."""
        roots = [span for span in self.spans if span.attributes.get("modelservice.name") == name]
        return [[root, *(span for span in self.spans if span.parent_id == root.span_id)] for root in roots]


def _attributes(found: Any) -> dict[str, str | int]:
    return {entry.key: entry.value.string_value or entry.value.int_value for entry in found}


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """Run a receiver for the length of a `with` block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.requests += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if receiver.hang.is_set():
                receiver.released.wait(60)
                return
            receiver.receive(self.path, body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = OtlpReceiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
