"""HTTP client of all stores that obstore does not serve. It connects only to allowed addresses (rules I1 to I3).

The transport refuses encoded responses, bounds every response that is not a file of a model (rule I12), and repeats
requests that a store is too busy for. It does so for all callers, also for a library that is given the client.
"""

import re
import ssl
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore2
import httpx2

from model_loader import egress
from model_loader.backoff import RetrySchedule, parse_retry_after
from model_loader.certificates import read_ca_bundle
from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.redaction import redact_url
from model_loader.request import Network, Request

MAX_REDIRECTS = 5
MAX_RESPONSE_BYTES = 32 << 20
"""Maximum size of a response that is held in memory: a listing, a manifest, a token."""
_FILE_EXTENSION = "file"
"""Extension of a request for a file of a model, with its name. Downloads have their own limits."""
_COMPRESSED_FILE_SUFFIXES = (".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".br", ".z")
"""Files that servers may label with their own compression, such as Apache with AddEncoding."""
_TIMEOUT = httpx2.Timeout(30.0, connect=10.0)
_SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization")
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_TOO_MANY_REQUESTS = 429
_TRANSIENT_STATUSES = frozenset({408, 425, 500, 502, 503, 504})
MAX_FILE_WAIT = 30.0
"""Seconds to wait for a busy store while files are downloaded; `Progress` reports a transfer that stalls for longer."""
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
"""Characters of a header field (RFC 9110, 5.5)."""


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
    """Body of a response. Reading it raises LoaderError if it is encoded, or too large and not a file of a model."""

    def __init__(self, stream: httpx2.SyncByteStream, request: httpx2.Request, encoding: str) -> None:
        self._stream = stream
        self._url = str(request.url)
        self._file: str | None = request.extensions.get(_FILE_EXTENSION)
        self._encoding = encoding.strip()

    def __iter__(self) -> Iterator[bytes]:
        if not self._is_acceptable_encoding():
            message = f"{redact_url(self._url)} was sent with Content-Encoding {self._encoding!r} although identity was"
            raise LoaderError(Reason.UNREACHABLE, f"{message} requested. Disable compression on the server.")
        count = 0
        for chunk in self._stream:
            count += len(chunk)
            if self._file is None and count > MAX_RESPONSE_BYTES:
                limit = f"{MAX_RESPONSE_BYTES >> 20} MiB, the limit for listings and metadata"
                raise LoaderError(Reason.TOO_LARGE, f"The response of {redact_url(self._url)} is larger than {limit}.")
            yield chunk

    def _is_acceptable_encoding(self) -> bool:
        """Return True if the bytes can be used as they are sent. A compressed file is stored without decoding it."""
        if self._encoding.lower() in {"", "identity"}:
            return True
        return self._file is not None and self._file.lower().endswith(_COMPRESSED_FILE_SUFFIXES)

    def close(self) -> None:
        self._stream.close()


class _CheckedTransport(httpx2.HTTPTransport):
    def __init__(self, allowed: tuple[Network, ...], context: ssl.SSLContext, deadline: float) -> None:
        self._deadline = deadline
        # Neither a proxy nor other settings from the environment, which may come from a Secret.
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context, max_connections=32, keepalive_expiry=30.0, network_backend=_PinnedBackend(allowed)
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, repeat it while the store is busy, and guard the body of its response."""
        is_file = request.extensions.get(_FILE_EXTENSION) is not None
        retries = RetrySchedule(self._deadline, max_wait=MAX_FILE_WAIT) if is_file else RetrySchedule(self._deadline)
        response = super().handle_request(request)
        while (delay := _retry_delay(response, retries, is_file=is_file)) is not None:
            response.close()
            time.sleep(delay)
            response = super().handle_request(request)
        if isinstance(response.stream, httpx2.SyncByteStream):
            encoding = response.headers.get("content-encoding", "")
            response.stream = _CheckedBody(response.stream, request, encoding)
        return response


def _retry_delay(response: httpx2.Response, retries: RetrySchedule, *, is_file: bool) -> float | None:
    """Return the time to wait before a request is repeated, or None to use its response."""
    status = response.status_code
    if status != _TOO_MANY_REQUESTS and status not in _TRANSIENT_STATUSES:
        return None
    retry_after = parse_retry_after(response.headers)
    if is_file and retry_after is None and status != _TOO_MANY_REQUESTS:
        return None  # the download resumes interrupted transfers itself
    return retries.next_delay(retry_after)


class _RedirectingTransport(httpx2.BaseTransport):
    """Follows redirects by the rules of HttpClient, for a library that does not follow all of them."""

    def __init__(self, http: "HttpClient", transport: _CheckedTransport) -> None:
        self._http = http
        self._transport = transport

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and follow its redirects."""
        for _ in range(MAX_REDIRECTS + 1):
            self._http.check_url(str(request.url))
            response = self._transport.handle_request(request)
            if not _is_redirect(response):
                return response
            response.close()
            url, headers = self._http.prepare_redirect(
                str(request.url), response.headers["location"], dict(request.headers)
            )
            headers.pop("host", None)
            with _translate_errors(url):
                request = httpx2.Request(request.method, url, headers=headers, extensions=request.extensions)
        raise _redirect_error(str(request.url))

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


class HttpClient:
    """Client of stores. It checks the URL of each redirect."""

    def __init__(self, request: Request) -> None:
        self._allowed = request.allowed_networks
        self._context = build_tls_context(request.environment)
        self._deadline = request.deadline
        self._client = self._build_client(self._build_transport())

    def build_client(self) -> httpx2.Client:
        """Build an httpx2 client with the same rules, for a library that closes its client."""
        return self._build_client(_RedirectingTransport(self, self._build_transport()))

    def _build_transport(self) -> _CheckedTransport:
        return _CheckedTransport(self._allowed, self._context, self._deadline)

    def _build_client(self, transport: httpx2.BaseTransport) -> httpx2.Client:
        return httpx2.Client(
            transport=transport,
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            # Sizes, ranges and digests are those of the content without an encoding.
            headers={"User-Agent": "model-loader", "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextmanager
    def get(
        self, url: str, headers: Mapping[str, str] | None = None, *, file: str | None = None
    ) -> Iterator[httpx2.Response]:
        """Send a GET request, follow redirects, and yield the response: any status, its body not read yet.

        The body is limited to MAX_RESPONSE_BYTES unless it is the content of the named `file` of a model. Raises
        LoaderError, or TransferError if another attempt may succeed.
        """
        sent = dict(headers or {})
        for _ in range(MAX_REDIRECTS + 1):
            with self._send("GET", url, sent, file=file) as response:
                if not _is_redirect(response):
                    yield response
                    return
                location = response.headers["location"]
            url, sent = self.prepare_redirect(url, location, sent)
        raise _redirect_error(url)

    @contextmanager
    def post_form(self, url: str, form: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """Send a form and yield the response: any status, also a redirect, its body not read yet. Raises LoaderError.

        The form may contain credentials, so redirects are not followed.
        """
        with self._send("POST", url, {}, form=form) as response:
            yield response

    @contextmanager
    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        file: str | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Iterator[httpx2.Response]:
        self.check_url(url)
        check_headers(headers)
        with _translate_errors(url):
            try:
                request = self._client.build_request(
                    method, url, headers=headers, data=form, extensions={_FILE_EXTENSION: file}
                )
                response = self._client.send(request, stream=True)
            except (ValueError, TypeError) as error:  # UnicodeError of a host that IDNA does not allow is one
                raise _invalid_url(url, error) from None
            try:
                yield response
            finally:
                response.close()

    def check_url(self, url: str) -> None:
        """Raise LoaderError for a URL that is not https, unless it is http to a range that the administrator allows."""
        parts = _split(url)
        if parts.username is not None or parts.password is not None:
            raise LoaderError(Reason.BAD_URI, f"{redact_url(url)} contains a user name. Use model.credentials instead.")
        if parts.scheme == "https" and parts.hostname:
            return
        if parts.scheme == "http" and parts.hostname:
            found = egress.resolve_addresses(parts.hostname, parts.port or 80, allowed=self._allowed)
            if egress.is_allowed_for_plain_http(found, self._allowed):
                return
        message = (
            f"{redact_url(url)} is not https. Plain http is allowed only for ranges of the operator's --allow-cidr."
        )
        raise LoaderError(Reason.BAD_URI, message)

    def prepare_redirect(self, url: str, location: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
        """Return the URL and headers of a redirected request: no credentials for another origin (RFC 9110, 15.4)."""
        try:
            target = urljoin(url, location)
        except ValueError as error:
            raise _invalid_url(location, error) from None
        before, after = urlsplit(url), _split(target)
        if (before.scheme, after.scheme) == ("https", "http"):
            raise LoaderError(Reason.UNREACHABLE, f"{redact_url(url)} redirects from https to http, which is refused.")
        if (before.scheme, before.netloc) != (after.scheme, after.netloc):
            headers = {name: value for name, value in headers.items() if name.lower() not in _SECRET_HEADERS}
        return target, headers


def has_origin(response: httpx2.Response, url: str) -> bool:
    """Return True if a response is of the origin of `url`: no redirect led elsewhere (RFC 6454)."""
    found, expected = response.request.url, httpx2.URL(url)
    return (found.scheme, found.host, found.port) == (expected.scheme, expected.host, expected.port)


def _is_redirect(response: httpx2.Response) -> bool:
    return response.status_code in _REDIRECT_STATUSES and "location" in response.headers


def _redirect_error(url: str) -> LoaderError:
    return LoaderError(Reason.UNREACHABLE, f"{redact_url(url)} redirects more than {MAX_REDIRECTS} times.")


def encode_basic_login(user: str, password: str) -> str:
    """Return the Base64 form of a login, as HTTP Basic sends it (RFC 7617)."""
    return b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode()


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise LoaderError for a credential that no header can carry: a line break or a letter that is not ASCII."""
    for name, value in headers.items():
        if not _HEADER_VALUE.fullmatch(value):
            message = f"The credentials contain characters that are not allowed in the header {name}."
            raise LoaderError(Reason.INVALID_CREDENTIALS, f"{message} Check the Secret of model.credentials.")


def _split(url: str) -> SplitResult:
    """Return the parts of a URL. Raises LoaderError for one whose host or port is not valid."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise _invalid_url(url, error) from None
    return parts


def _invalid_url(url: str, error: Exception) -> LoaderError:
    return LoaderError(Reason.BAD_URI, f"{redact_url(url)!r} is not a valid URL: {error}.")


def build_tls_context(environment: Mapping[str, str]) -> ssl.SSLContext:
    """Return a context that trusts the authorities of the system and those of the CA bundle."""
    context = ssl.create_default_context()
    if bundle := read_ca_bundle(environment):
        context.load_verify_locations(cadata=bundle.decode("ascii", "ignore"))  # comments may not be ASCII
    if not context.cert_store_stats()["x509_ca"]:
        import certifi  # noqa: PLC0415 - only needed in an image without authorities

        context.load_verify_locations(certifi.where())
    return context


def http_error(response: httpx2.Response, subject: str) -> LoaderError:
    """Return the error for a response without success."""
    error = http_status_error(response.status_code, subject)
    seconds = parse_retry_after(response.headers)
    if error.reason is Reason.STORE_QUOTA_EXCEEDED and seconds is not None:
        return LoaderError(error.reason, f"{error.message} It accepts requests again in {seconds:.0f} s.")
    return error


def http_status_error(status: int, subject: str) -> LoaderError:
    """Return the error for an HTTP status without success; `subject` begins its message."""
    match status:
        case 404 | 410:
            return LoaderError(Reason.MODEL_NOT_FOUND, f"{subject} does not exist (HTTP {status}). Check model.uri.")
        case 401:
            return LoaderError(
                Reason.INVALID_CREDENTIALS,
                f"{subject} requires credentials, or rejected those that were sent (HTTP 401)."
                " Check the Secret of model.credentials.",
            )
        case 403:
            return LoaderError(
                Reason.ACCESS_DENIED,
                f"{subject} cannot be read with these credentials (HTTP 403)."
                " Grant them read permission, or use others in model.credentials.",
            )
        case 429:
            return LoaderError(
                Reason.STORE_QUOTA_EXCEEDED, f"{subject}: the store is rate limiting requests (HTTP 429)."
            )
        case _ if status in _TRANSIENT_STATUSES:
            return TransferError(f"{subject}: the store responded with HTTP {status}.")
        case _:
            return LoaderError(Reason.UNREACHABLE, f"{subject}: the store responded with HTTP {status}.")


@contextmanager
def _translate_errors(url: str) -> Iterator[None]:
    """Convert exceptions of the client to LoaderError."""
    host = urlsplit(url).hostname
    try:
        yield
    except httpx2.ConnectTimeout:
        raise TransferError(f"The host {host!r} did not accept a connection within {_TIMEOUT.connect:.0f} s.") from None
    except httpx2.TimeoutException:
        raise TransferError(f"The host {host!r} sent no data for {_TIMEOUT.read:.0f} s.") from None
    except httpx2.ConnectError as error:
        if "CERTIFICATE" in str(error).upper():
            message = f"The certificate of the host {host!r} is not trusted: {error}."
            raise LoaderError(Reason.UNREACHABLE, message) from None
        raise TransferError(f"The host {host!r} cannot be reached: {error}.") from None
    except httpx2.TransportError as error:
        raise TransferError(f"The connection to {host!r} failed: {error}.") from None
    except httpx2.RequestError as error:
        raise TransferError(f"The response of {host!r} cannot be read: {error}.") from None
    except httpx2.InvalidURL as error:
        raise _invalid_url(url, error) from None
