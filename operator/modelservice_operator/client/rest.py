"""One API server over HTTP: credentials, keep-alive connections, time-outs; answers become values or errors.

The only module that imports an HTTP client. It knows nothing of ModelServices.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import orjson
import yarl

from modelservice_operator import __version__
from modelservice_operator.client.concurrency import ConcurrencyLimiter
from modelservice_operator.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NamespaceTerminatingError,
    NotFoundError,
    OperatorError,
    ResourceExpiredError,
    ServerOverloadedError,
    UnauthorizedError,
    UnreachableError,
)
from modelservice_operator.settings import FIELD_MANAGER, Settings

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

RESERVED_CONNECTIONS = 1
"""Connections beside those that are shared out: for what does not wait for its turn."""
_TOKEN_LIFETIME = 60.0
"""Projected tokens rotate (KEP-1205): the file is read again every minute and after each 401."""
_ERROR_BY_STATUS: Mapping[int, type[OperatorError]] = {
    HTTPStatus.UNAUTHORIZED: UnauthorizedError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.GONE: ResourceExpiredError,
}
_NAMESPACE_TERMINATING = b'"reason":"NamespaceTerminating"'
"""Cause in the Status with which the admission plugin NamespaceLifecycle refuses to create anything."""
_NETWORK_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the API server is and who we are. `token` never shows in a log or a traceback."""

    server: str
    tls: ssl.SSLContext | None
    token: str | None

    def __repr__(self) -> str:
        return f"Credentials(server={self.server!r})"


class RestClient:
    """Requests to one API server. Use as an async context manager."""

    def __init__(self, load_credentials: Callable[[], Credentials], settings: Settings) -> None:
        """`load` reads the credentials afresh each time it is called; it may block for the time of a file read."""
        self._load_credentials = load_credentials
        self._settings = settings
        self._credentials = load_credentials()
        self._loaded_at = time.monotonic()
        self._limiter = ConcurrencyLimiter(settings.workers)
        self._requests: aiohttp.ClientSession | None = None
        self._watches: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._requests = self._session(limit=self._settings.workers + RESERVED_CONNECTIONS)
        self._watches = self._session(limit=0)
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in (self._requests, self._watches):
            if session is not None:
                await session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content_type: str = JSON,
        params: Mapping[str, str] | None = None,
        bypass_limit: bool = False,
    ) -> dict[str, Any]:
        """Send one request and return the object that the server answers; 4xx and 5xx raise an OperatorError.

        `urgent` does not wait for its turn: for the little that cannot be late.
        """
        data = None if body is None else orjson.dumps(body)
        if bypass_limit:
            return await self._do(method, path, data, content_type, params)
        await self._limiter.acquire()
        busy = False
        try:
            return await self._do(method, path, data, content_type, params)
        except OperatorError as error:
            busy = isinstance(error, ServerOverloadedError | UnreachableError)
            raise
        finally:
            self._limiter.release(overloaded=busy)

    async def _do(
        self, method: str, path: str, data: bytes | None, content_type: str, params: Mapping[str, str] | None
    ) -> dict[str, Any]:
        try:
            async with _require_open(self._requests).request(
                method, self._url(path, params), data=data, headers=self._headers(content_type)
            ) as response:
                answer = await response.read()
        except _NETWORK_ERRORS as error:
            raise UnreachableError(f"The API server did not answer {method} {path}: {_describe(error)}.") from error
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise self._error_from_response(response.status, answer, response.headers)
        return _decode_object(answer, f"{method} {path}")

    def _url(self, path: str, params: Mapping[str, str] | None) -> yarl.URL:
        query = f"?{urlencode(params)}" if params else ""
        return yarl.URL(self._credentials.server + path + query, encoded=True)

    @asynccontextmanager
    async def watch(
        self, path: str, params: Mapping[str, str], *, read_delay: float = 0.0
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Open a watch and yield its events. The stream ends when the server ends it, Unreachable when it breaks.

        `linger`: seconds after a read in which nothing more is read, so that what comes in a burst is read at once:
        each read costs more than the events that it brings. A single event is never late.
        """
        session = _require_open(self._watches)
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._settings.connect_timeout, sock_read=self._settings.watch_idle_timeout
        )
        try:
            async with session.get(self._url(path, params), headers=self._headers(JSON), timeout=timeout) as response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise self._error_from_response(response.status, await response.read(), response.headers)
                yield _events(response, read_delay)
        except _NETWORK_ERRORS as error:
            raise UnreachableError(f"The watch of {path} broke: {_describe(error)}.") from error

    def _session(self, *, limit: int) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(
            total=self._settings.request_timeout, sock_connect=self._settings.connect_timeout
        )
        connector = aiohttp.TCPConnector(limit=limit, ssl=self._credentials.tls or True)
        # Without cookies, and without compression: it would cost both sides more than the network inside a cluster.
        return aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept-Encoding",),
        )

    def _headers(self, content_type: str) -> dict[str, str]:
        headers = {"User-Agent": f"{FIELD_MANAGER}/{__version__}", "Accept": JSON, "Content-Type": content_type}
        if self._credentials.token is None:
            return headers
        if time.monotonic() - self._loaded_at > _TOKEN_LIFETIME:
            self._reload_credentials()
        return headers | {"Authorization": f"Bearer {self._credentials.token}"}

    def _reload_credentials(self) -> None:
        self._credentials = self._load_credentials()
        self._loaded_at = time.monotonic()

    def _error_from_response(self, status: int, answer: bytes, headers: Mapping[str, str]) -> OperatorError:
        if status == HTTPStatus.UNAUTHORIZED:
            self._reload_credentials()
        return error_from_response(status, answer, retry_after=headers.get("Retry-After"))


def error_from_response(status: int, answer: bytes, *, retry_after: str | None = None) -> OperatorError:
    """The error that an HTTP status stands for. `answer` is the body: a metav1.Status, or anything at all."""
    message = _status_message(status, answer)
    if status == HTTPStatus.FORBIDDEN and _NAMESPACE_TERMINATING in answer:
        return NamespaceTerminatingError(message)
    if (kind := _ERROR_BY_STATUS.get(status)) is not None:
        return kind(message)
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerOverloadedError(message, retry_after=_parse_retry_after(retry_after))
    return InvalidRequestError(message, status=status)


def _require_open(session: aiohttp.ClientSession | None) -> aiohttp.ClientSession:
    if session is None:
        raise RuntimeError("The connection is used outside of its context.")
    return session


async def _delay_reads(response: aiohttp.ClientResponse, seconds: float) -> None:
    """Wait, and leave what arrives meanwhile in the socket, where it costs nothing."""
    if seconds == 0:
        return
    transport: Any = response.connection.transport if response.connection is not None else None
    if transport is None or transport.is_closing():
        return
    if hasattr(transport, "set_read_buffer_limits"):
        transport.set_read_buffer_limits(high=1)  # TLS would read ahead
    transport.pause_reading()
    try:
        await asyncio.sleep(seconds)
    finally:
        transport.resume_reading()


async def _events(response: aiohttp.ClientResponse, linger: float) -> AsyncIterator[dict[str, Any]]:
    """Events of a watch: one JSON document a line. A line that the stream's end cuts off is dropped."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield _decode_object(line, "a watch")
        await _delay_reads(response, linger)


def _decode_object(answer: bytes, what: str) -> dict[str, Any]:
    try:
        value = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise UnreachableError(f"The API server's answer to {what} is not JSON.") from error
    if not isinstance(value, dict):
        raise UnreachableError(f"The API server's answer to {what} is not an object.")
    return value


def _status_message(status: int, answer: bytes) -> str:
    try:
        message = orjson.loads(answer)["message"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        message = answer[:200].decode(errors="replace").strip()
    return f"The API server answered {status}: {message}"


def _parse_retry_after(retry_after: str | None) -> float | None:
    """Retry-After in seconds; the form with a date is left to the usual back-off."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def _describe(error: BaseException) -> str:
    if isinstance(error, asyncio.TimeoutError | TimeoutError):
        return "time-out"
    return str(error) or type(error).__name__
