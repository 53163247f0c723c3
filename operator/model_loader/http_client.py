"""HTTP client of all stores (rules I1 to I3).

Redirects are followed one by one: each URL is checked, and no credential goes to another origin. Encoded responses are
refused, a response that is not a file of a model is bounded (rule I12), and a request that a store is too busy for is
repeated.
"""

import re
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, quote, urlencode, urljoin, urlsplit

from model_loader.backoff import RetrySchedule, parse_retry_after
from model_loader.certificates import read_ca_bundle
from model_loader.connections import Connection, ConnectionPool, Connector
from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.http_messages import Body, ConnectionDroppedError, Head, encode_request, read_head
from model_loader.proxies import Origin, ProxySettings
from model_loader.redaction import redact_url
from model_loader.request import Request

MAX_REDIRECTS = 5
MAX_RESPONSE_BYTES = 32 << 20
"""Maximum size of a response that is held in memory: a listing, a manifest, a token."""
MAX_FILE_WAIT = 30.0
"""Seconds to wait for a busy store while files are downloaded; `Progress` reports a transfer that stalls for longer."""
_CHUNK_BYTES = 64 << 10
_MAX_DRAINED_BYTES = 16 << 10
"""Rest of a body that is read to keep its connection."""
_DRAIN_TIMEOUT = 0.05
COMPRESSED_FILE_SUFFIXES = (".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".br", ".z")
"""Files that servers may label with their own compression, such as Apache with AddEncoding."""
_PORTABLE_HEADERS = frozenset({"accept", "range", "if-range"})
"""Headers that are sent to another origin. All others may be credentials: Authorization, Cookie, x-amz-security-token,
x-ms-*, x-goog-*, and those of stores to come."""
_OWN_HEADERS = frozenset({"host", "user-agent", "content-length", "connection", "transfer-encoding"})
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_TOO_MANY_REQUESTS = 429
_TRANSIENT_STATUSES = frozenset({408, 425, 500, 502, 503, 504})
_PORTS = {"https": 443, "http": 80}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
"""Characters of a header field (RFC 9110, 5.5)."""
_PLAIN_HEADER_NAMES = frozenset({"authorization", "range", "if-match", "x-amz-date", "x-amz-content-sha256"})
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9._-]+)?")
_PLAIN_URL = re.compile(r"(https?://[A-Za-z0-9.-]+(?::[0-9]+)?)(/(?:[!-~](?<!#))*)(?<!\?)")
"""URLs whose path and query are sent as they are: those of nearly all requests. Their origin is parsed once."""
_TARGET_CHARACTERS = "".join(chr(code) for code in range(0x21, 0x7F))
"""Characters of a URL that are sent as they are; `%` as well, because they are encoded already."""


class Response:
    """A response, whose body is not read yet."""

    def __init__(self, head: Head, body: Body, url: str, file: str | None, connection: Connection) -> None:
        self.status = head.status
        self.headers = head.fields
        """Lower-case names; repeated fields are joined by a comma and a space."""
        self.url = url
        """URL after redirects."""
        self._body = body
        self._file = file
        self._connection = connection
        self._count = 0
        self._is_persistent = head.is_persistent

    def read(self) -> bytes:
        """Return the body. Raises LoaderError (TooLarge) above MAX_RESPONSE_BYTES."""
        if (self._body.size or 0) > MAX_RESPONSE_BYTES:
            raise self._too_large_error()
        parts: list[bytes] = []
        for chunk in self.iter_chunks():
            parts.append(chunk)
            if self._count > MAX_RESPONSE_BYTES:
                raise self._too_large_error()
        return b"".join(parts)

    def iter_chunks(self) -> Iterator[bytes]:
        """Yield the body in chunks. It is limited to MAX_RESPONSE_BYTES unless it is a file of a model."""
        view = memoryview(bytearray(min(_CHUNK_BYTES, self._body.size or _CHUNK_BYTES)))
        while count := self.readinto(view):
            yield bytes(view[:count])

    def readinto(self, view: memoryview) -> int:
        """Read at most `len(view)` bytes; 0 at the end of the body.

        Raises TransferError if the body is cut, and LoaderError if it is encoded, or too large and not a file.
        """
        if not self._count:
            self._check_encoding()
        count = self._body.readinto(view)
        self._count += count
        if self._file is None and self._count > MAX_RESPONSE_BYTES:
            raise self._too_large_error()
        return count

    def require_marked_end(self, subject: str) -> None:
        """Make sure that a body which is cut off cannot be mistaken for an entire one. Raises LoaderError.

        Without a length and without chunks, a body ends with its connection (RFC 9112, 6.3). Only TLS marks that end,
        with a close_notify (RFC 8446, 6.1).
        """
        if not self._body.is_framed and not self._connection.is_tls:
            message = (
                f"{subject} was sent without its length, so a cut response cannot be distinguished from a complete"
            )
            message += " one. Set model.sha256, or have the server send Content-Length."
            raise LoaderError(Reason.UNREACHABLE, message)
        self._body.require_marked_end()

    def finish(self) -> bool:
        """Return True if the connection can be used again. A short rest of the body is read for that."""
        if not self._is_persistent or not self._body.is_framed or (self._body.size or 0) > _MAX_DRAINED_BYTES:
            return False
        if not self._body.is_complete:
            self._drain()
        return self._body.is_complete and not self._connection.has_buffered_bytes

    def _drain(self) -> None:
        view = memoryview(bytearray(_MAX_DRAINED_BYTES + 1))
        left = len(view)
        with suppress(LoaderError):
            self._connection.set_timeout(_DRAIN_TIMEOUT)
            while left and (count := self._body.readinto(view[:left])):
                left -= count

    def _check_encoding(self) -> None:
        """Raise LoaderError if the bytes cannot be used as they are sent. A compressed file is not decoded."""
        encoding = self.headers.get("content-encoding", "").strip()
        if encoding.lower() in {"", "identity"}:
            return
        if self._file is not None and self._file.lower().endswith(COMPRESSED_FILE_SUFFIXES):
            return
        message = f"{redact_url(self.url)} was sent with Content-Encoding {encoding!r} although identity was requested."
        raise LoaderError(Reason.UNREACHABLE, f"{message} Disable compression on the server.")

    def _too_large_error(self) -> LoaderError:
        limit = f"{MAX_RESPONSE_BYTES >> 20} MiB, the limit for listings and metadata"
        return LoaderError(Reason.TOO_LARGE, f"The response of {redact_url(self.url)} is larger than {limit}.")


@dataclass(frozen=True, slots=True)
class _Message:
    """A request to one URL."""

    method: str
    url: str
    origin: Origin
    target: str
    """Path and query, as they are sent."""
    headers: Mapping[str, str]
    body: bytes = b""
    file: str | None = None


class HttpClient:
    """Client of stores. It checks the URL of each redirect."""

    def __init__(self, request: Request, *, connector: Connector | None = None) -> None:
        """Connect by the rules of a request, or by those of another `connector`."""
        self._deadline = request.deadline
        self._connector = connector or Connector(
            request.allowed_networks,
            lambda: build_tls_context(request.environment),
            ProxySettings.from_environment(request.environment),
        )
        self._pool = ConnectionPool(self._connector)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    @contextmanager
    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        file: str | None = None,
        follow_redirects: bool = True,
    ) -> Iterator[Response]:
        """Send a GET request, follow redirects, and yield the response: any status, its body not read yet.

        The body is limited to MAX_RESPONSE_BYTES unless it is the content of the named `file` of a model. Raises
        LoaderError, or TransferError if another attempt may succeed.
        """
        sent = dict(headers or {})
        if not follow_redirects:
            with self._send("GET", url, sent, file=file) as response:
                yield response
            return
        for _ in range(MAX_REDIRECTS + 1):
            with self._send("GET", url, sent, file=file) as response:
                if not _is_redirect(response):
                    yield response
                    return
                location = response.headers["location"]
            url, sent = prepare_redirect(url, location, sent)
        raise LoaderError(Reason.UNREACHABLE, f"{redact_url(url)} redirects more than {MAX_REDIRECTS} times.")

    @contextmanager
    def head(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[Response]:
        """Send a HEAD request and yield the response, which has no body: any status, also a redirect.

        Raises LoaderError, or TransferError if another attempt may succeed.
        """
        with self._send("HEAD", url, headers or {}) as response:
            yield response

    @contextmanager
    def post(
        self, url: str, headers: Mapping[str, str] | None = None, *, body: bytes, content_type: str
    ) -> Iterator[Response]:
        """Send a POST request and yield the response: any status, also a redirect, its body not read yet.

        The body may contain credentials, so redirects are not followed. Raises LoaderError.
        """
        with self._send("POST", url, {**(headers or {}), "Content-Type": content_type}, body=body) as response:
            yield response

    @contextmanager
    def post_form(self, url: str, form: Mapping[str, str]) -> Iterator[Response]:
        """Send a form and yield the response, as `post` does. Raises LoaderError."""
        body = urlencode(form).encode()
        with self.post(url, body=body, content_type="application/x-www-form-urlencoded") as response:
            yield response

    @contextmanager
    def _send(
        self, method: str, url: str, headers: Mapping[str, str], *, body: bytes = b"", file: str | None = None
    ) -> Iterator[Response]:
        """Send a request, repeat it while the store is busy, and yield its response."""
        check_headers(headers)
        message = _Message(method, url, *_parse_target(url), headers, body, file)
        is_file = file is not None
        retries = RetrySchedule(self._deadline, max_wait=MAX_FILE_WAIT) if is_file else RetrySchedule(self._deadline)
        while True:
            response, connection = self._exchange(message)
            delay = None
            try:
                delay = _retry_delay(response, retries, is_file=is_file)
                if delay is None:
                    yield response
                    return
            finally:
                self._pool.release(connection, reusable=response.finish())
            time.sleep(delay)

    def _exchange(self, message: _Message) -> tuple[Response, Connection]:
        """Send a request. A kept connection that ended before any byte of a response is replaced once.

        Servers end idle connections at any time. A POST request may have been processed even then, so it gets a
        new connection.
        """
        origin = message.origin
        try:
            return self._try_exchange(message, self._pool.acquire(origin, fresh=message.method == "POST"))
        except _StaleConnectionError:
            return self._try_exchange(message, self._pool.acquire(origin, fresh=True))

    def _try_exchange(self, message: _Message, connection: Connection) -> tuple[Response, Connection]:
        try:
            connection.begin(_encode(message, connection))
            head = read_head(connection)
            body = Body(connection, head, is_empty=message.method == "HEAD")
        except BaseException as error:
            self._pool.release(connection, reusable=False)
            is_stale = connection.is_reused and not connection.received
            if is_stale and isinstance(error, ConnectionDroppedError):
                raise _StaleConnectionError from None
            raise
        if message.file is not None:
            connection.guard = None  # Progress watches the files
        return Response(head, body, message.url, message.file, connection), connection

    def check_url(self, url: str) -> None:
        """Raise LoaderError for a URL that is not https, unless it is http to a range that the administrator allows.

        Each connection is checked again: a name may have other addresses by then.
        """
        origin = parse_origin(url)
        if origin.scheme == "http":
            self._connector.check(origin)


class _StaleConnectionError(Exception):
    """A kept connection had ended before a request was sent."""


def _encode(message: _Message, connection: Connection) -> bytes:
    """Return the bytes of a request. Raises LoaderError."""
    fields = [("Host", _host_header(message.origin)), ("User-Agent", "model-loader")]
    if "accept-encoding" not in message.headers:
        # Sizes, ranges and digests are those of the content without an encoding.
        fields.append(("Accept-Encoding", "identity"))
    if message.method == "POST":
        fields.append(("Content-Length", str(len(message.body))))
    fields += [(name, value) for name, value in message.headers.items() if name.lower() not in _OWN_HEADERS]
    target = f"http://{message.origin.authority}{message.target}" if connection.is_forwarded else message.target
    return encode_request(message.method, target, fields, message.body)


def prepare_redirect(url: str, location: str, headers: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the URL and headers of a redirected request: no credentials for another origin (RFC 9110, 15.4)."""
    # A server may send UTF-8 instead of percent-encoded bytes.
    location = quote(location.encode("latin-1", "replace"), safe=_TARGET_CHARACTERS)
    try:
        target = urljoin(url, location)
    except ValueError as error:
        raise _invalid_url(location, str(error)) from None
    before, after = parse_origin(url), parse_origin(target)
    if (before.scheme, after.scheme) == ("https", "http"):
        raise LoaderError(Reason.UNREACHABLE, f"{redact_url(url)} redirects from https to http, which is refused.")
    if before == after:
        return target, dict(headers)
    return target, {name: value for name, value in headers.items() if name.lower() in _PORTABLE_HEADERS}


def has_origin(response: Response, url: str) -> bool:
    """Return True if a response is of the origin of `url`: no redirect led elsewhere (RFC 6454)."""
    return parse_origin(response.url) == parse_origin(url)


def parse_origin(url: str) -> Origin:
    """Return the origin of an http(s) URL. Raises LoaderError for another URL, and for one with a user name."""
    plain = _PLAIN_URL.fullmatch(url)
    return _parse_origin(url if plain is None else plain[1])


def _parse_target(url: str) -> tuple[Origin, str]:
    """Return the origin of a URL, and its path and query as they are sent. Raises LoaderError as parse_origin does."""
    plain = _PLAIN_URL.fullmatch(url)
    if plain is None:
        return _parse_origin(url), _request_target(url)
    return _parse_origin(plain[1]), plain[2]


@lru_cache(maxsize=32)
def _parse_origin(url: str) -> Origin:
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise LoaderError(Reason.BAD_URI, f"{redact_url(url)} contains a user name. Use model.credentials instead.")
    host = _ascii_host(parts, url)
    if parts.scheme not in _PORTS or not host:
        message = (
            f"{redact_url(url)} is not https. Plain http is allowed only for ranges of the operator's --allow-cidr."
        )
        raise LoaderError(Reason.BAD_URI, message)
    if not _HOST.fullmatch(host):
        raise _invalid_url(url, "its host")
    if parts.port == 0:
        raise _invalid_url(url, "its port")
    return Origin(parts.scheme, host, parts.port or _PORTS[parts.scheme])


def host_header(url: str) -> str:
    """Return the value of Host for a URL, which signatures cover: no port if it is that of the scheme."""
    return _host_header(parse_origin(url))


@lru_cache(maxsize=32)
def _host_header(origin: Origin) -> str:
    scheme, host, port = origin
    name = f"[{host}]" if ":" in host else host
    return name if port == _PORTS[scheme] else f"{name}:{port}"


def _request_target(url: str) -> str:
    parts = _split(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return quote(target, safe=_TARGET_CHARACTERS)


def _split(url: str) -> SplitResult:
    """Return the parts of a URL. Raises LoaderError for one whose host or port is not valid."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise _invalid_url(url, str(error)) from None
    return parts


def _ascii_host(parts: SplitResult, url: str) -> str:
    host = parts.hostname or ""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError as error:
        raise _invalid_url(url, str(error)) from None


def _invalid_url(url: str, why: str) -> LoaderError:
    return LoaderError(Reason.BAD_URI, f"{redact_url(url)!r} is not a valid URL: {why}.")


def _is_redirect(response: Response) -> bool:
    return response.status in _REDIRECT_STATUSES and "location" in response.headers


def _retry_delay(response: Response, retries: RetrySchedule, *, is_file: bool) -> float | None:
    """Return the time to wait before a request is repeated, or None to use its response."""
    status = response.status
    if status != _TOO_MANY_REQUESTS and status not in _TRANSIENT_STATUSES:
        return None
    retry_after = parse_retry_after(response.headers)
    if is_file and retry_after is None and status != _TOO_MANY_REQUESTS:
        return None  # the download resumes interrupted transfers itself
    return retries.next_delay(retry_after)


def encode_basic_login(user: str, password: str) -> str:
    """Return the Base64 form of a login, as HTTP Basic sends it (RFC 7617)."""
    return b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode()


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise LoaderError for a credential that no header can carry: a line break or a letter that is not ASCII."""
    for name, value in headers.items():
        if name in _PLAIN_HEADER_NAMES and value.isascii() and value.isprintable():
            continue
        if not _HEADER_VALUE.fullmatch(value) or not _HEADER_NAME.fullmatch(name):
            message = f"The credentials contain characters that are not allowed in the header {name}."
            raise LoaderError(Reason.INVALID_CREDENTIALS, f"{message} Check the Secret of model.credentials.")


def build_tls_context(environment: Mapping[str, str]) -> ssl.SSLContext:
    """Return a context that trusts the authorities of the system and those of the CA bundle."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if bundle := read_ca_bundle(environment):
        try:
            context.load_verify_locations(cadata=bundle.decode("ascii", "ignore"))  # comments may not be ASCII
        except ssl.SSLError:
            message = "The file of certificate authorities contains a damaged certificate. It must be PEM."
            raise LoaderError(Reason.LOADER_FAILED, message) from None
    if not context.cert_store_stats()["x509_ca"]:
        import certifi  # noqa: PLC0415 - only needed in an image without authorities

        context.load_verify_locations(certifi.where())
    return context


def http_error(response: Response, subject: str) -> LoaderError:
    """Return the error for a response without success."""
    error = http_status_error(response.status, subject)
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
