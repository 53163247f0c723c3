"""The health endpoints: /healthz says whether a restart would help, /readyz whether this replica can do its work.

/metrics is served with them, so that the operator needs one port, unless it has a separate one (metrics_server.py).
"""

import math
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import orjson
from aiohttp import web

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.kinds import DEPLOYMENT, MODEL_SERVICE, SERVICE
from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.cache.informers import InformerSet
from modelservice_operator.client.rest import RestClient
from modelservice_operator.controller.workqueue import WorkQueue
from modelservice_operator.errors import PortUnavailableError
from modelservice_operator.metrics.exposition import expose

LIVENESS_SECONDS = 600.0
"""Time without any sign of life from the API server after which the process should be restarted."""
_NEEDED_KINDS = (MODEL_SERVICE, DEPLOYMENT, SERVICE)
"""Kinds without which nothing can be done for any ModelService."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Response of a health endpoint: healthy unless there are problems."""

    problems: list[str] = field(default_factory=list)
    figures: dict[str, float | int] = field(default_factory=dict)

    @property
    def status(self) -> HTTPStatus:
        """Status of the response, which is all that the kubelet reads."""
        return HTTPStatus.SERVICE_UNAVAILABLE if self.problems else HTTPStatus.OK


HealthCheck = Callable[[], HealthReport]


class HealthChecks:
    """Judges one operator process. Neither check depends on leadership: a standby with warm caches is ready."""

    def __init__(
        self,
        informers: InformerSet,
        queue: WorkQueue[NamespacedName],
        client: RestClient,
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._informers = informers
        self._queue = queue
        self._client = client
        self._clock = clock

    def check_liveness(self) -> HealthReport:
        """Report a problem if no informer had contact with the API server for ten minutes.

        A healthy watch is opened again at least that often, even if nothing changes.
        """
        problems = []
        newest = max((one.reflector.last_activity for one in self._informers), default=math.inf)
        if self._clock.monotonic() - newest > LIVENESS_SECONDS:
            problems.append(f"No informer had contact with the API server for {LIVENESS_SECONDS / 60:.0f} minutes.")
        return HealthReport(problems, self._figures())

    def check_readiness(self) -> HealthReport:
        """Report problems until the caches are synced, and while the API server rejects the credentials."""
        problems = self._sync_problems()
        if self._client.is_unauthorized:
            problems.append("The API server rejects the credentials.")
        return HealthReport(problems, self._figures())

    def _sync_problems(self) -> list[str]:
        """Return what is not synced. A namespace that is refused does not count while another one works."""
        if any(self._works_in(namespace) for namespace in self._informers.namespaces):
            return [f"Reading {name}." for name in self._being_read()]
        return [
            reason for one in self._informers if one.kind in _NEEDED_KINDS and (reason := one.explain_unavailable())
        ]

    def _works_in(self, namespace: str) -> bool:
        return self._informers.has_synced(namespace) and all(
            self._informers.is_available(kind, namespace) for kind in _NEEDED_KINDS
        )

    def _being_read(self) -> list[str]:
        """Return the resources whose first list is neither complete nor refused."""
        return [
            f"{one.kind.group_resource} in {f'namespace {one.namespace}' if one.namespace else 'all namespaces'}"
            for one in self._informers
            if not one.reflector.is_initialized and one.reflector.refused is None
        ]

    def _figures(self) -> dict[str, float | int]:
        """Return the keys that wait, and for each kind the seconds since the last contact, the longest of all."""
        now, figures = self._clock.monotonic(), dict[str, float | int](queue=len(self._queue))
        for informer in self._informers:
            name, age = f"{informer.kind.plural}_seconds", round(now - informer.reflector.last_activity, 1)
            figures[name] = max(figures.get(name, 0.0), age)
        return figures


@asynccontextmanager
async def serve_health(
    port: int, liveness: HealthCheck, readiness: HealthCheck, *, secure_metrics_port: int = 0
) -> AsyncIterator[None]:
    """Serve /healthz, /readyz and /metrics for the length of a `with` block; port 0 serves nothing.

    With a `secure_metrics_port`, /metrics is served there only. Raises PortUnavailableError if the port is in use.
    """
    if not port:
        yield
        return
    application = _application({"/healthz": liveness, "/readyz": readiness}, secure_metrics_port)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        opened = listen(port, serves="/healthz and /readyz", flag="--probe-port", users="probes of the pod")
        await web.SockSite(runner, opened).start()
        yield
    finally:
        await runner.cleanup()


def listen(port: int, *, serves: str, flag: str, users: str) -> socket.socket:
    """Return a socket that accepts IPv6 and IPv4 (RFC 3493, 5.3), or only IPv4 on a system without IPv6.

    The kubelet connects to the pod's address, which is IPv6 in a cluster of that family. Raises PortUnavailableError if
    the port is in use. The other arguments are for its sentence: what is served, which flag sets the port, and who else
    names it.
    """
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("0.0.0.0", port))  # noqa: S104 - the kubelet connects from outside the pod
    except OSError as error:
        raise PortUnavailableError(
            f"Cannot serve {serves} on port {port}: {error.strerror}. Choose another port with {flag}, and the same"
            f" one in the {users}."
        ) from error


def _application(checks: dict[str, HealthCheck], secure_metrics_port: int) -> web.Application:
    async def respond(request: web.Request) -> web.Response:
        if not secure_metrics_port:
            return respond_with_metrics(request)
        text = f"/metrics is served over TLS on port {secure_metrics_port} (--secure-metrics-port).\n"
        return web.Response(text=text, status=HTTPStatus.NOT_FOUND)

    application = web.Application()
    application.add_routes([web.get(path, _handler(check)) for path, check in checks.items()])
    application.router.add_get("/metrics", respond)
    return application


def respond_with_metrics(request: web.Request) -> web.Response:
    """Return all metrics in the format that the client accepts."""
    found = expose(request.headers.get("Accept", ""), request.headers.get("Accept-Encoding", ""))
    return web.Response(body=found.body, headers=found.headers)


def _handler(check: HealthCheck) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def respond(_: web.Request) -> web.Response:
        report = check()
        body = orjson.dumps({"problems": report.problems, **report.figures}, option=orjson.OPT_APPEND_NEWLINE)
        return web.Response(body=body, status=report.status, content_type="application/json")

    return respond
