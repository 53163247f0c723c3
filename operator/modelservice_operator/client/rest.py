"""Requests to one API server over HTTP: keep-alive connections, timeouts and rotating credentials.

Responses become values or errors. Knows nothing of ModelServices.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import orjson
import yarl

from modelservice_operator import __version__, tracing
from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.flow_control import CURRENT_FLOW, Lane
from modelservice_operator.client.concurrency import ConcurrencyLimiter
from modelservice_operator.client.credentials import Credentials, CredentialsRefresher
from modelservice_operator.client.missing_permissions import MissingPermissionLog
from modelservice_operator.client.server_clock import ClockReading, parse_date
from modelservice_operator.client.sessions import REVIEW_CONNECTIONS, Sessions
from modelservice_operator.client.status_errors import error_from_response
from modelservice_operator.client.watch import WatchTimeouts, decode_object, watch_events
from modelservice_operator.errors import (
    AdmissionUnavailableError,
    OperatorError,
    ServerOverloadedError,
    UnreachableError,
)
from modelservice_operator.metrics.instruments import record_request_seconds, record_response
from modelservice_operator.settings import FIELD_MANAGER, Settings

logger = logging.getLogger(__name__)

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

_SAFE_METHODS = frozenset({"GET", "HEAD"})
"""Methods that pass no admission (RFC 9110, 9.2.1)."""
_NETWORK_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)


def _allow() -> None:
    """Allow every write."""


class RestClient:
    """Client of one API server (client-go, rest.RESTClient). Use it as an async context manager."""

    def __init__(
        self,
        load_credentials: Callable[[], Credentials],
        settings: Settings,
        *,
        clock: Clock = SYSTEM_CLOCK,
        check_write: Callable[[], None] = _allow,
    ) -> None:
        """`load_credentials` reads the credentials at each call; it is called in a thread and may block.

        `check_write` is called before each write that does not bypass the limit, and raises to prevent it.
        """
        self._settings = settings
        self._clock = clock
        self._check_write = check_write
        self._refresher = CredentialsRefresher(load_credentials, on_change=self._use_credentials, clock=clock)
        self.is_unauthorized = False
        """The last response rejected the credentials (401)."""
        self._missing_permissions = MissingPermissionLog(clock=clock)
        self._limiter = ConcurrencyLimiter(settings.workers, clock=clock)
        self._reviews = asyncio.Semaphore(REVIEW_CONNECTIONS)
        self._sessions: Sessions | None = None
        self._sessions_credentials = self._refresher.current
        self._headers_of: dict[str, tuple[tuple[str, str], ...]] = {}
        """Headers by content type, for `_headers_credentials`."""
        self._headers_credentials: Credentials | None = None
        self._retiring: dict[asyncio.Task[None], Sessions] = {}

    async def __aenter__(self) -> Self:
        self._sessions = Sessions(self._sessions_credentials, self._settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._refresher.close()
        for task, sessions in tuple(self._retiring.items()):
            task.cancel()
            await sessions.close()
        current, self._sessions = self._sessions, None
        if current is not None:
            await current.close()

    @property
    def credentials(self) -> Credentials:
        """Credentials in use."""
        return self._refresher.current

    def _use_credentials(self, credentials: Credentials) -> None:
        """Open new sessions if the open ones cannot send these credentials, and close the old ones at their end."""
        if self._sessions is None or credentials.uses_connections_of(self._sessions_credentials):
            return
        old, self._sessions = self._sessions, Sessions(credentials, self._settings)
        self._sessions_credentials = credentials
        task = asyncio.create_task(old.retire(), name="old connections")
        self._retiring[task] = old
        task.add_done_callback(self._retiring.pop)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content_type: str = JSON,
        params: Mapping[str, str] | None = None,
        bypass_limit: bool = False,
        urgent: bool = False,
    ) -> dict[str, Any]:
        """Send one request and return the object of the response. Raises OperatorError for 4xx and 5xx.

        `bypass_limit` does not wait for other requests: only for the few that must not be late, such as the Lease.
        `urgent` goes before other requests that wait. `CURRENT_FLOW` says whose limit counts.
        """
        data = None if body is None else orjson.dumps(body)
        if bypass_limit:
            return await self._do(method, path, data, content_type, params)
        flow = CURRENT_FLOW.get()
        flow = flow._replace(lane=Lane.URGENT) if urgent else flow
        await self._limiter.acquire(flow)
        overloaded = False
        try:
            if method not in _SAFE_METHODS:
                self._check_write()
            return await self._do(method, path, data, content_type, params)
        except OperatorError as error:
            overloaded = isinstance(error, ServerOverloadedError | UnreachableError)
            raise
        finally:
            self._limiter.release(flow, overloaded=overloaded)

    async def review(self, path: str, body: object) -> dict[str, Any]:
        """Send a TokenReview or a SubjectAccessReview, and return it with the answer in its status.

        The API server stores nothing, so a standby may send a review. Reviews have a separate limit: they neither wait
        for other requests nor delay them. Raises OperatorError, as `request`.
        """
        async with self._reviews:
            if self._sessions is None:
                raise UnreachableError(f"The client is not open: POST {path} was not sent.")
            return await self._do("POST", path, orjson.dumps(body), JSON, None)

    async def _do(
        self, method: str, path: str, data: bytes | None, content_type: str, params: Mapping[str, str] | None
    ) -> dict[str, Any]:
        credentials, sessions = self._connection()
        started = time.monotonic()
        with sessions, tracing.request_span(method, credentials.server, path) as span:
            headers = [*self._headers(credentials, content_type), *span.headers]
            url = _url(credentials, path, params)
            try:
                async with sessions.requests.request(method, url, data=data, headers=headers) as response:
                    text = await response.read()
            except _NETWORK_ERRORS as error:
                record_response(method, 0)
                self._refresher.on_connection_failure()
                kind = AdmissionUnavailableError if _is_slow_write(method, error) else UnreachableError
                raise kind(f"The API server did not answer {method} {path}: {_describe(error)}.") from error
            finally:
                record_request_seconds(method, time.monotonic() - started)
            span.set_status(response.status)
        record_response(method, response.status)
        logger.debug("%s %s: %d", method, path, response.status, extra={"reason": "Requested"})
        if response.status == HTTPStatus.GATEWAY_TIMEOUT and method not in _SAFE_METHODS:
            timeout = self._error_from_response(credentials, path, response.status, text, response.headers)
            raise AdmissionUnavailableError(str(timeout), status=timeout.status)
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise self._error_from_response(credentials, path, response.status, text, response.headers)
        self.is_unauthorized = False
        return decode_object(text, f"{method} {path}")

    async def read_server_clock(self, path: str) -> ClockReading:
        """Send a GET request and return the time of its response. Raises OperatorError if there is none."""
        credentials, sessions = self._connection()
        before = self._clock.now()
        try:
            with sessions:
                headers = self._headers(credentials, JSON)
                async with sessions.requests.get(_url(credentials, path, None), headers=headers) as response:
                    after = self._clock.now()
                    await response.read()
        except _NETWORK_ERRORS as error:
            raise UnreachableError(f"The API server did not answer GET {path}: {_describe(error)}.") from error
        server = parse_date(response.headers.get("Date", ""))
        if server is None:
            raise UnreachableError(f"The response to GET {path} has no time: a proxy may have removed it.")
        return ClockReading(before, server, after)

    @asynccontextmanager
    async def watch(
        self, path: str, params: Mapping[str, str], *, seconds: int, read_delay: float = 0.0
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Open a watch of a duration and yield its events. The stream ends when the server ends it.

        `read_delay`: seconds after a read in which nothing more is read, so that the events of a burst are read
        together: a read costs more than the events that it brings. A single event is never late.
        Raises UnreachableError when the stream breaks.
        """
        params = {**params, "watch": "true", "timeoutSeconds": str(seconds)}
        timeouts = WatchTimeouts(seconds + self._settings.watch_end_timeout, self._settings.watch_idle_timeout)
        credentials, sessions = self._connection()
        try:
            with sessions:
                async with await self._open_watch(credentials, sessions, path, params) as response:
                    yield watch_events(response, timeouts, read_delay)
        except _NETWORK_ERRORS as error:
            self._refresher.on_connection_failure()
            raise UnreachableError(f"The watch of {path} broke: {_describe(error)}.") from error

    async def _open_watch(
        self, credentials: Credentials, sessions: Sessions, path: str, params: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        no_end = aiohttp.ClientTimeout(sock_connect=self._settings.connect_timeout)
        seconds = self._settings.request_timeout
        try:
            async with asyncio.timeout(seconds):
                response = await sessions.watches.get(
                    _url(credentials, path, params), headers=self._headers(credentials, JSON), timeout=no_end
                )
        except _NETWORK_ERRORS:
            record_response("GET", 0)
            raise
        record_response("GET", response.status)
        if response.status < HTTPStatus.BAD_REQUEST:
            self.is_unauthorized = False
            return response
        async with asyncio.timeout(seconds), response:
            text = await response.read()
        raise self._error_from_response(credentials, path, response.status, text, response.headers)

    def _connection(self) -> tuple[Credentials, Sessions]:
        """Return the credentials of a new request, and sessions that can send them."""
        if self._sessions is None:
            raise RuntimeError("The client is used outside of its context.")
        self._refresher.refresh_if_due()
        return self._refresher.current, self._sessions

    def _headers(self, credentials: Credentials, content_type: str) -> tuple[tuple[str, str], ...]:
        """Return the headers of a request, which are the same until the credentials change."""
        if self._headers_credentials is not credentials:
            self._headers_credentials = credentials
            self._headers_of.clear()
        if (headers := self._headers_of.get(content_type)) is None:
            own = {"User-Agent": f"{FIELD_MANAGER}/{__version__}", "Accept": JSON, "Content-Type": content_type}
            headers = self._headers_of[content_type] = (*own.items(), *credentials.auth_headers())
        return headers

    def _error_from_response(
        self, credentials: Credentials, path: str, code: int, body: bytes, headers: Mapping[str, str]
    ) -> OperatorError:
        self.is_unauthorized = code == HTTPStatus.UNAUTHORIZED
        if self.is_unauthorized:
            self._refresher.on_unauthorized(credentials)
        error = error_from_response(code, body, retry_after=headers.get("Retry-After"))
        return self._missing_permissions.report(error, path)


def _url(credentials: Credentials, path: str, params: Mapping[str, str] | None) -> yarl.URL:
    query = f"?{_encode_query(tuple(params.items()))}" if params else ""
    return yarl.URL(credentials.server + path + query, encoded=True)


@lru_cache(maxsize=32)
def _encode_query(params: tuple[tuple[str, str], ...]) -> str:
    # Nearly all requests have the same parameters.
    return urlencode(params)


def _is_slow_write(method: str, error: BaseException) -> bool:
    """Return True if a server that was reached did not answer a write in time: usually it waits for a webhook.

    If the server itself is slow, reads time out too. A connection that was not opened in time is another error.
    """
    return method not in _SAFE_METHODS and type(error) is TimeoutError


def _describe(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    return str(error) or type(error).__name__
