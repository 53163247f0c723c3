"""HTTP client of all stores that obstore does not serve. It connects only to allowed addresses (rules I1 to I3).

The transport refuses encoded responses and bounds every response that is not a file of a model (rule I12). It does so
for all callers, also for a library that is given the client.
"""

import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

import httpcore2
import httpx2

from model_loader import egress
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
_TRANSIENT_STATUSES = frozenset({408, 425, 500, 502, 503, 504})


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
    def __init__(self, allowed: tuple[Network, ...], context: ssl.SSLContext) -> None:
        # Neither a proxy nor other settings from the environment, which may come from a Secret.
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context, max_connections=32, keepalive_expiry=30.0, network_backend=_PinnedBackend(allowed)
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and guard the body of its response."""
        response = super().handle_request(request)
        if isinstance(response.stream, httpx2.SyncByteStream):
            encoding = response.headers.get("content-encoding", "")
            response.stream = _CheckedBody(response.stream, request, encoding)
        return response


class HttpClient:
    """Client for GET requests. It checks the URL of each redirect."""

    def __init__(self, request: Request) -> None:
        self._allowed = request.allowed_networks
        self._context = build_tls_context(request.environment)
        self._client = self.build_client()

    def build_client(self) -> httpx2.Client:
        """Build an httpx2 client with the same rules, for a library that closes its client."""
        return httpx2.Client(
            transport=_CheckedTransport(self._allowed, self._context),
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
            self.check_url(url)
            request = self._client.build_request("GET", url, headers=sent, extensions={_FILE_EXTENSION: file})
            with _translate_errors(url):
                response = self._client.send(request, stream=True)
                try:
                    if response.status_code not in _REDIRECT_STATUSES or "location" not in response.headers:
                        yield response
                        return
                    target = urljoin(url, response.headers["location"])
                finally:
                    response.close()
            url, sent = self._prepare_redirect(url, target, sent)
        raise LoaderError(Reason.UNREACHABLE, f"{redact_url(url)} redirects more than {MAX_REDIRECTS} times.")

    def check_url(self, url: str) -> None:
        """Raise LoaderError for a URL that is not https, unless it is http to a range that the administrator allows."""
        parts = urlsplit(url)
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

    def _prepare_redirect(self, url: str, target: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
        """Return the URL and headers of a redirected request: no credentials for another origin (RFC 9110, 15.4)."""
        before, after = urlsplit(url), urlsplit(target)
        if (before.scheme, after.scheme) == ("https", "http"):
            raise LoaderError(Reason.UNREACHABLE, f"{redact_url(url)} redirects from https to http, which is refused.")
        if (before.scheme, before.netloc) != (after.scheme, after.netloc):
            headers = {name: value for name, value in headers.items() if name.lower() not in _SECRET_HEADERS}
        return target, headers


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
    return http_status_error(response.status_code, subject)


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
                Reason.STORE_QUOTA_EXCEEDED, f"{subject}: the store is rate limiting requests (HTTP 429). Wait."
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
    except httpx2.InvalidURL as error:
        raise LoaderError(Reason.BAD_URI, f"{redact_url(url)!r} is not a valid URL: {error}.") from None
