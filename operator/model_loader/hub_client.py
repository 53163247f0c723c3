"""httpx2 client with the rules of `http_client`, for the library that lists repositories of the Hugging Face Hub."""

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpcore2
import httpx2

from model_loader import egress
from model_loader.backoff import RetrySchedule, parse_retry_after
from model_loader.errors import LoaderError, Reason
from model_loader.http_client import MAX_REDIRECTS, MAX_RESPONSE_BYTES, HttpClient, build_tls_context, prepare_redirect
from model_loader.redaction import redact_url
from model_loader.request import Network, Request

_TIMEOUT = httpx2.Timeout(30.0, connect=10.0)
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_BUSY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


def build_client(request: Request, http: HttpClient) -> httpx2.Client:
    """Build a client that connects only to checked addresses."""
    transport = _CheckedTransport(request.allowed_networks, build_tls_context(request.environment), request.deadline)
    return httpx2.Client(
        transport=_RedirectingTransport(http, transport),
        timeout=_TIMEOUT,
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "model-loader", "Accept-Encoding": "identity"},
    )


class _PinnedBackend(httpcore2.SyncBackend):
    """Connects only to addresses that were checked. TLS still verifies the host name."""

    def __init__(self, allowed: tuple[Network, ...]) -> None:
        self._allowed = allowed

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first allowed address that accepts a connection."""
        failure: Exception | None = None
        for address in egress.resolve_addresses(host, port, allowed=self._allowed):
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError("no address")


class _CheckedBody(httpx2.SyncByteStream):
    """Body of a response. Reading it raises LoaderError if it is encoded or too large."""

    def __init__(self, stream: httpx2.SyncByteStream, url: str, encoding: str) -> None:
        self._stream = stream
        self._url = url
        self._encoding = encoding.strip()

    def __iter__(self) -> Iterator[bytes]:
        if self._encoding.lower() not in {"", "identity"}:
            message = f"{redact_url(self._url)} was sent with Content-Encoding {self._encoding!r} although identity was"
            raise LoaderError(Reason.UNREACHABLE, f"{message} requested. Disable compression on the server.")
        count = 0
        for chunk in self._stream:
            count += len(chunk)
            if count > MAX_RESPONSE_BYTES:
                limit = f"{MAX_RESPONSE_BYTES >> 20} MiB, the limit for listings and metadata"
                raise LoaderError(Reason.TOO_LARGE, f"The response of {redact_url(self._url)} is larger than {limit}.")
            yield chunk

    def close(self) -> None:
        self._stream.close()


class _CheckedTransport(httpx2.HTTPTransport):
    def __init__(self, allowed: tuple[Network, ...], context: ssl.SSLContext, deadline: float) -> None:
        self._deadline = deadline
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context, max_connections=32, keepalive_expiry=30.0, network_backend=_PinnedBackend(allowed)
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, repeat it while the store is busy, and guard the body of its response."""
        retries = RetrySchedule(self._deadline)
        response = super().handle_request(request)
        while response.status_code in _BUSY_STATUSES:
            delay = retries.next_delay(parse_retry_after(response.headers))
            if delay is None:
                break
            response.close()
            time.sleep(delay)
            response = super().handle_request(request)
        if isinstance(response.stream, httpx2.SyncByteStream):
            encoding = response.headers.get("content-encoding", "")
            response.stream = _CheckedBody(response.stream, str(request.url), encoding)
        return response


class _RedirectingTransport(httpx2.BaseTransport):
    """Follows redirects by the rules of HttpClient, as the library does not follow all of them."""

    def __init__(self, http: HttpClient, transport: _CheckedTransport) -> None:
        self._http = http
        self._transport = transport

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and follow its redirects."""
        for _ in range(MAX_REDIRECTS + 1):
            self._http.check_url(str(request.url))
            response = self._transport.handle_request(request)
            if response.status_code not in _REDIRECT_STATUSES or "location" not in response.headers:
                return response
            response.close()
            url, headers = prepare_redirect(str(request.url), response.headers["location"], dict(request.headers))
            headers.pop("host", None)
            with translate_errors(url):
                request = httpx2.Request(request.method, url, headers=headers, extensions=request.extensions)
        message = f"{redact_url(str(request.url))} redirects more than {MAX_REDIRECTS} times."
        raise LoaderError(Reason.UNREACHABLE, message)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


@contextmanager
def translate_errors(url: str) -> Iterator[None]:
    """Convert exceptions of the client to LoaderError."""
    try:
        yield
    except (httpx2.InvalidURL, ValueError, TypeError) as error:
        message = f"The host {urlsplit(url).hostname!r} is not valid: {error}."
        raise LoaderError(Reason.BAD_URI, message) from None
