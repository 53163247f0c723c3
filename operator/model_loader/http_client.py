"""The HTTP client of all stores that speak plain HTTP: it connects only where it may (rules I1 to I3).

obstore has its own client; `egress.resolve` looks at its endpoint before it is used.
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
"""Bytes of a response that is read as a whole: a listing, a manifest, a token."""
_FILE_EXTENSION = "file"
"""Extension of a request for a file of a model: its name. Such a response is not bounded here."""
_COMPRESSED_FILE_SUFFIXES = (".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".br", ".z")
_TIMEOUT = httpx2.Timeout(30.0, connect=10.0)
_SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization")
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_TRANSIENT_STATUSES = frozenset({408, 425, 500, 502, 503, 504})


class _PinnedBackend(httpcore2.SyncBackend):
    """Connects to the addresses that were looked at, and to no other; TLS still checks the name."""

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
        """Connect to the first address that answers."""
        failure: Exception | None = None
        for address in egress.resolve_addresses(host, port, allowed=self._allowed):
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError("no address")


class _CheckedBody(httpx2.SyncByteStream):
    """The body of a response, which must not be encoded and, unless it is a file of a model, not be large."""

    def __init__(self, stream: httpx2.SyncByteStream, request: httpx2.Request, encoding: str) -> None:
        self._stream = stream
        self._url = str(request.url)
        self._file: str | None = request.extensions.get(_FILE_EXTENSION)
        self._encoding = encoding.strip()

    def __iter__(self) -> Iterator[bytes]:
        if not self._is_acceptable_encoding():
            message = f"{redact_url(self._url)} is sent with Content-Encoding {self._encoding!r} although identity was"
            raise LoaderError(Reason.UNREACHABLE, f"{message} requested. Switch off compression in the server.")
        count = 0
        for chunk in self._stream:
            count += len(chunk)
            if self._file is None and count > MAX_RESPONSE_BYTES:
                message = (
                    f"{redact_url(self._url)} answers with more than {MAX_RESPONSE_BYTES >> 20} MiB where a listing"
                )
                raise LoaderError(Reason.TOO_LARGE, f"{message} is due.")
            yield chunk

    def _is_acceptable_encoding(self) -> bool:
        """Return True if the bytes that are sent are those of the content, so that no reader decodes them.

        Some servers label a file that is compressed with its own compression (Apache's AddEncoding): it is not decoded.
        """
        if self._encoding.lower() in {"", "identity"}:
            return True
        return self._file is not None and self._file.lower().endswith(_COMPRESSED_FILE_SUFFIXES)

    def close(self) -> None:
        self._stream.close()


class _CheckedTransport(httpx2.HTTPTransport):
    def __init__(self, allowed: tuple[Network, ...], context: ssl.SSLContext) -> None:
        # No proxy, and nothing else, from the environment: it may come from a Secret.
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context, max_connections=32, keepalive_expiry=30.0, network_backend=_PinnedBackend(allowed)
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; the bounds of its response hold for every caller, also for code that is not the loader's."""
        response = super().handle_request(request)
        if isinstance(response.stream, httpx2.SyncByteStream):
            encoding = response.headers.get("content-encoding", "")
            response.stream = _CheckedBody(response.stream, request, encoding)
        return response


class HttpClient:
    """GET requests with redirects that are looked at one by one."""

    def __init__(self, request: Request) -> None:
        self._allowed = request.allowed_networks
        self._context = build_tls_context(request.environment)
        self._client = self.build_client()

    def build_client(self) -> httpx2.Client:
        """Build a client with the same rules, for a library that closes the one that it uses."""
        return httpx2.Client(
            transport=_CheckedTransport(self._allowed, self._context),
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            # An encoded body has another length than the file: what is fetched are the bytes themselves.
            headers={"User-Agent": "model-loader", "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextmanager
    def get(
        self, url: str, headers: Mapping[str, str] | None = None, *, file: str | None = None
    ) -> Iterator[httpx2.Response]:
        """Answer to a GET, after redirects, of any status; its body is not read yet. LoaderError or TransferError.

        The body is bounded by MAX_RESPONSE_BYTES; it is not where it is the content of a model's `file`.
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
            url, sent = self._redirect(url, target, sent)
        raise LoaderError(Reason.UNREACHABLE, f"{redact_url(url)} redirects more than {MAX_REDIRECTS} times.")

    def check_url(self, url: str) -> None:
        """Refuse a URL that is not https; http is for ranges that the administrator admits."""
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            raise LoaderError(Reason.BAD_URI, f"{redact_url(url)} carries a user name: use model.credentials.")
        if parts.scheme == "https" and parts.hostname:
            return
        if parts.scheme == "http" and parts.hostname:
            found = egress.resolve_addresses(parts.hostname, parts.port or 80, allowed=self._allowed)
            if egress.is_allowed_for_plain_http(found, self._allowed):
                return
        message = f"{redact_url(url)} is not https. Plain http is for ranges that the operator's --allow-cidr admits."
        raise LoaderError(Reason.BAD_URI, message)

    def _redirect(self, url: str, target: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
        """Where a redirect leads, and what is sent there: no credential to another origin (RFC 9110, 15.4)."""
        before, after = urlsplit(url), urlsplit(target)
        if (before.scheme, after.scheme) == ("https", "http"):
            raise LoaderError(Reason.UNREACHABLE, f"{redact_url(url)} redirects from https to http, which is refused.")
        if (before.scheme, before.netloc) != (after.scheme, after.netloc):
            headers = {name: value for name, value in headers.items() if name.lower() not in _SECRET_HEADERS}
        return target, headers


def build_tls_context(environment: Mapping[str, str]) -> ssl.SSLContext:
    """The system's authorities, and those of SSL_CERT_FILE or AWS_CA_BUNDLE for private stores."""
    context = ssl.create_default_context()
    if bundle := read_ca_bundle(environment):
        context.load_verify_locations(cadata=bundle.decode("ascii", "ignore"))  # comments may be in other alphabets
    if not context.cert_store_stats()["x509_ca"]:
        import certifi  # noqa: PLC0415 - where the image has no authorities of its own

        context.load_verify_locations(certifi.where())
    return context


def http_error(response: httpx2.Response, subject: str) -> LoaderError:
    """What an answer that is no success means."""
    return http_status_error(response.status_code, subject)


def http_status_error(status: int, subject: str) -> LoaderError:
    """What an HTTP status that is no success means, of a store that speaks HTTP."""
    match status:
        case 404 | 410:
            return LoaderError(Reason.MODEL_NOT_FOUND, f"{subject} does not exist (HTTP {status}). Check model.uri.")
        case 401:
            return LoaderError(
                Reason.INVALID_CREDENTIALS,
                f"{subject} asks for credentials, or does not know those that were sent (HTTP 401)."
                " Check the Secret of model.credentials.",
            )
        case 403:
            return LoaderError(
                Reason.ACCESS_DENIED,
                f"{subject} may not be read with these credentials (HTTP 403)."
                " Allow them to read it, or name others in model.credentials.",
            )
        case 429:
            return LoaderError(
                Reason.STORE_QUOTA_EXCEEDED, f"{subject}: the store limits how much is read (HTTP 429). Wait."
            )
        case _ if status in _TRANSIENT_STATUSES:
            return TransferError(f"{subject}: the store answers with HTTP {status}.")
        case _:
            return LoaderError(Reason.UNREACHABLE, f"{subject}: the store answers with HTTP {status}.")


@contextmanager
def _translate_errors(url: str) -> Iterator[None]:
    """Turn what the client raises into our own errors."""
    host = urlsplit(url).hostname
    try:
        yield
    except httpx2.ConnectTimeout:
        raise TransferError(f"The host {host!r} does not answer within {_TIMEOUT.connect:.0f} s.") from None
    except httpx2.TimeoutException:
        raise TransferError(f"The host {host!r} stopped answering for {_TIMEOUT.read:.0f} s.") from None
    except httpx2.ConnectError as error:
        if "CERTIFICATE" in str(error).upper():
            message = f"The certificate of the host {host!r} is not trusted: {error}."
            raise LoaderError(Reason.UNREACHABLE, message) from None
        raise TransferError(f"The host {host!r} cannot be reached: {error}.") from None
    except httpx2.TransportError as error:
        raise TransferError(f"The connection to {host!r} broke: {error}.") from None
    except httpx2.InvalidURL as error:
        raise LoaderError(Reason.BAD_URI, f"{redact_url(url)!r} is no valid URL: {error}.") from None
