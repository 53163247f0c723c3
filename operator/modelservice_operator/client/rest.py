"""Requests to one API server over HTTP: keep-alive connections, timeouts and rotating credentials.

Responses become values or errors. Knows nothing of ModelServices.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import orjson
import yarl

from modelservice_operator import __version__
from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.client.concurrency import ConcurrencyLimiter
from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.status_errors import error_from_response
from modelservice_operator.client.watch import decode_object, watch_events
from modelservice_operator.errors import OperatorError, ServerOverloadedError, UnreachableError
from modelservice_operator.settings import FIELD_MANAGER, Settings

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

RESERVED_CONNECTIONS = 1
"""Connections in addition to those that requests share, for requests that bypass the limit."""
_TOKEN_LIFETIME = 60.0
"""Seconds after which the token is read again, as after each 401: projected tokens rotate (KEP-1205)."""
_NETWORK_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)


class RestClient:
    """Client of one API server (client-go, rest.RESTClient). Use it as an async context manager."""

    def __init__(
        self, load_credentials: Callable[[], Credentials], settings: Settings, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """`load_credentials` reads the credentials at each call; it may block for the time of a file read."""
        self._load_credentials = load_credentials
        self._settings = settings
        self._clock = clock
        self._credentials = load_credentials()
        self._loaded_at = clock.monotonic()
        self._limiter = ConcurrencyLimiter(settings.workers, clock=clock)
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
        """Send one request and return the object of the response. Raises OperatorError for 4xx and 5xx.

        `bypass_limit` does not wait for other requests: only for the few that must not be late, such as the Lease.
        """
        data = None if body is None else orjson.dumps(body)
        if bypass_limit:
            return await self._do(method, path, data, content_type, params)
        await self._limiter.acquire()
        overloaded = False
        try:
            return await self._do(method, path, data, content_type, params)
        except OperatorError as error:
            overloaded = isinstance(error, ServerOverloadedError | UnreachableError)
            raise
        finally:
            self._limiter.release(overloaded=overloaded)

    async def _do(
        self, method: str, path: str, data: bytes | None, content_type: str, params: Mapping[str, str] | None
    ) -> dict[str, Any]:
        try:
            async with _require_open(self._requests).request(
                method, self._url(path, params), data=data, headers=self._headers(content_type)
            ) as response:
                text = await response.read()
        except _NETWORK_ERRORS as error:
            raise UnreachableError(f"The API server did not answer {method} {path}: {_describe(error)}.") from error
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise self._error_from_response(response.status, text, response.headers)
        return decode_object(text, f"{method} {path}")

    @asynccontextmanager
    async def watch(
        self, path: str, params: Mapping[str, str], *, read_delay: float = 0.0
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Open a watch and yield its events. The stream ends when the server ends it.

        `read_delay`: seconds after a read in which nothing more is read, so that the events of a burst are read
        together: a read costs more than the events that it brings. A single event is never late.
        Raises UnreachableError when the stream breaks.
        """
        session = _require_open(self._watches)
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._settings.connect_timeout, sock_read=self._settings.watch_idle_timeout
        )
        try:
            async with session.get(self._url(path, params), headers=self._headers(JSON), timeout=timeout) as response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise self._error_from_response(response.status, await response.read(), response.headers)
                yield watch_events(response, read_delay)
        except _NETWORK_ERRORS as error:
            raise UnreachableError(f"The watch of {path} broke: {_describe(error)}.") from error

    def _url(self, path: str, params: Mapping[str, str] | None) -> yarl.URL:
        query = f"?{urlencode(params)}" if params else ""
        return yarl.URL(self._credentials.server + path + query, encoded=True)

    def _session(self, *, limit: int) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(
            total=self._settings.request_timeout, sock_connect=self._settings.connect_timeout
        )
        connector = aiohttp.TCPConnector(limit=limit, ssl=self._credentials.tls or True)
        # Without cookies, and without compression: inside a cluster it costs both sides more than the network.
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
        if self._clock.monotonic() - self._loaded_at > _TOKEN_LIFETIME:
            self._reload_credentials()
        return headers | {"Authorization": f"Bearer {self._credentials.token}"}

    def _reload_credentials(self) -> None:
        self._credentials = self._load_credentials()
        self._loaded_at = self._clock.monotonic()

    def _error_from_response(self, code: int, body: bytes, headers: Mapping[str, str]) -> OperatorError:
        if code == HTTPStatus.UNAUTHORIZED:
            self._reload_credentials()
        return error_from_response(code, body, retry_after=headers.get("Retry-After"))


def _require_open(session: aiohttp.ClientSession | None) -> aiohttp.ClientSession:
    if session is None:
        raise RuntimeError("The client is used outside of its context.")
    return session


def _describe(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    return str(error) or type(error).__name__
