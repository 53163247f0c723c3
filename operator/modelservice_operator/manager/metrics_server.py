"""/metrics over TLS on a separate port, for clients that may read it (--secure-metrics-port)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

from aiohttp import web

from modelservice_operator.manager.health import listen, respond_with_metrics
from modelservice_operator.manager.metrics_access import PATH, Decision
from modelservice_operator.manager.serving_certificate import ServingCertificate

_SHUTDOWN_SECONDS = 1.0
"""Time for requests in flight at the end of the process."""
_RETRY_AFTER = "5"

Decide = Callable[[str], Awaitable[Decision]]
"""Returns the decision about a value of the header Authorization."""


@asynccontextmanager
async def serve_metrics(port: int, certificate: ServingCertificate, decide: Decide) -> AsyncIterator[None]:
    """Serve /metrics for the length of a `with` block, with the newest certificate of the directory.

    Raises PortUnavailableError if the port is in use.
    """
    application = web.Application()
    application.router.add_get(PATH, _handler(decide), allow_head=False)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    watch = asyncio.create_task(certificate.watch(), name="certificate of /metrics")
    try:
        opened = listen(port, serves=PATH, flag="--secure-metrics-port", users="ports of the pod and its Service")
        await web.SockSite(runner, opened, ssl_context=certificate.context).start()
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        await runner.cleanup()


def _handler(decide: Decide) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def respond(request: web.Request) -> web.Response:
        decision = await decide(request.headers.get("Authorization", ""))
        if decision.status is HTTPStatus.OK:
            return respond_with_metrics(request)
        return web.Response(text=f"{decision.message}\n", status=decision.status, headers=_headers(decision.status))

    return respond


def _headers(status: HTTPStatus) -> dict[str, str]:
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return {"WWW-Authenticate": "Bearer"}
        case HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.TOO_MANY_REQUESTS:
            return {"Retry-After": _RETRY_AFTER}
        case _:
            return {}
