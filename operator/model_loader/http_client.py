"""The HTTP client of all stores that speak plain HTTP: it connects only where it may (rules I1 to I3).

obstore has its own client; `egress.resolve` looks at its endpoint before it is used.
"""

import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpcore2
import httpx2

from model_loader import egress
from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.redaction import without_credentials
from model_loader.request import Network, Request

MOST_REDIRECTS = 5
LARGEST_ANSWER = 32 << 20
"""Bytes of an answer that is read as a whole: a listing, a manifest, a token."""
_TIMEOUT = httpx2.Timeout(30.0, connect=10.0)
_SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRANSIENT = frozenset({408, 425, 500, 502, 503, 504})


class _Backend(httpcore2.SyncBackend):
    """Connects to the addresses that were looked at, and to no other; TLS still checks the name."""

    def __init__(self, admitted: tuple[Network, ...]) -> None:
        self._admitted = admitted

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
        for address in egress.resolve(host, port, admitted=self._admitted):
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError("no address")


class _Limited(httpx2.SyncByteStream):
    """A body that ends with an error where a listing would end."""

    def __init__(self, body: httpx2.SyncByteStream, url: str) -> None:
        self._body = body
        self._url = url

    def __iter__(self) -> Iterator[bytes]:
        count = 0
        for chunk in self._body:
            count += len(chunk)
            if count > LARGEST_ANSWER:
                raise _too_long(self._url)
            yield chunk

    def close(self) -> None:
        self._body.close()


class _Transport(httpx2.HTTPTransport):
    def __init__(self, admitted: tuple[Network, ...], context: ssl.SSLContext, *, limited: bool = False) -> None:
        # No proxy, and nothing else, from the environment: it may come from a Secret.
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context, max_connections=32, keepalive_expiry=30.0, network_backend=_Backend(admitted)
        )
        self._limited = limited

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request."""
        response = super().handle_request(request)
        if self._limited and isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _Limited(response.stream, str(request.url))
        return response


class Http:
    """GET requests with redirects that are looked at one by one."""

    def __init__(self, request: Request) -> None:
        self._admitted = request.networks
        self._context = tls_context(request.environment)
        self.client = self._new_client(limited=False)

    def client_of_listings(self) -> httpx2.Client:
        """A client for somebody else's code, whose answers are no longer than a listing may be."""
        return self._new_client(limited=True)

    def _new_client(self, *, limited: bool) -> httpx2.Client:
        return httpx2.Client(
            transport=_Transport(self._admitted, self._context, limited=limited),
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            # An encoded body has another length than the file: what is fetched are the bytes themselves.
            headers={"User-Agent": "model-loader", "Accept-Encoding": "identity"},
        )

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[httpx2.Response]:
        """Answer to a GET, after redirects, of any status; its body is not read yet. LoaderError or TransferError."""
        sent = dict(headers or {})
        for _ in range(MOST_REDIRECTS + 1):
            self.check(url)
            request = self.client.build_request("GET", url, headers=sent)
            with _translated(url):
                response = self.client.send(request, stream=True)
                try:
                    if response.status_code not in _REDIRECTS or "location" not in response.headers:
                        yield response
                        return
                    target = urljoin(url, response.headers["location"])
                finally:
                    response.close()
            url, sent = self._next(url, target, sent)
        raise LoaderError(Reason.UNREACHABLE, f"{shown(url)} redirects more than {MOST_REDIRECTS} times.")

    def body(self, url: str, headers: Mapping[str, str] | None = None) -> tuple[httpx2.Response, bytes]:
        """Answer to a GET and its body, which must not be larger than a listing may be."""
        with self.get(url, headers) as response, _translated(url):
            text = bytearray()
            for chunk in response.iter_raw():
                text += chunk
                if len(text) > LARGEST_ANSWER:
                    raise _too_long(url)
            return response, bytes(text)

    def check(self, url: str) -> None:
        """Refuse a URL that is not https; http is for ranges that the administrator admits."""
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            raise LoaderError(Reason.BAD_URI, f"{shown(url)} carries a user name: use model.credentials.")
        if parts.scheme == "https" and parts.hostname:
            return
        if parts.scheme == "http" and parts.hostname:
            found = egress.resolve(parts.hostname, parts.port or 80, admitted=self._admitted)
            if egress.is_admitted(found, self._admitted):
                return
        message = f"{shown(url)} is not https. Plain http is for ranges that the operator's --allow-cidr admits."
        raise LoaderError(Reason.BAD_URI, message)

    def _next(self, url: str, target: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
        """Where a redirect leads, and what is sent there: no credential to another origin (RFC 9110, 15.4)."""
        before, after = urlsplit(url), urlsplit(target)
        if (before.scheme, after.scheme) == ("https", "http"):
            raise LoaderError(Reason.UNREACHABLE, f"{shown(url)} redirects from https to http, which is refused.")
        if (before.scheme, before.netloc) != (after.scheme, after.netloc):
            headers = {name: value for name, value in headers.items() if name.lower() not in _SECRET_HEADERS}
        return target, headers


def tls_context(environment: Mapping[str, str]) -> ssl.SSLContext:
    """The system's authorities, and those of SSL_CERT_FILE or AWS_CA_BUNDLE for private stores."""
    context = ssl.create_default_context()
    for name in ("SSL_CERT_FILE", "AWS_CA_BUNDLE"):
        if (file := environment.get(name)) and Path(file).is_file():
            context.load_verify_locations(file)
    if not context.cert_store_stats()["x509_ca"]:
        import certifi  # noqa: PLC0415 - where the image has no authorities of its own

        context.load_verify_locations(certifi.where())
    return context


def complaint(response: httpx2.Response, what: str) -> LoaderError:
    """What an answer that is no success means."""
    return complaint_of(response.status_code, what)


def complaint_of(status: int, what: str) -> LoaderError:
    """What an HTTP status that is no success means, of a store that speaks HTTP."""
    match status:
        case 404 | 410:
            return LoaderError(Reason.MODEL_NOT_FOUND, f"{what} does not exist (HTTP {status}). Check model.uri.")
        case 401:
            return LoaderError(
                Reason.INVALID_CREDENTIALS,
                f"{what} asks for credentials, or does not know those that were sent (HTTP 401)."
                " Check the Secret of model.credentials.",
            )
        case 403:
            return LoaderError(
                Reason.ACCESS_DENIED,
                f"{what} may not be read with these credentials (HTTP 403)."
                " Allow them to read it, or name others in model.credentials.",
            )
        case 429:
            return LoaderError(
                Reason.STORE_QUOTA_EXCEEDED, f"{what}: the store limits how much is read (HTTP 429). Wait."
            )
        case _ if status in _TRANSIENT:
            return TransferError(f"{what}: the store answers with HTTP {status}.")
        case _:
            return LoaderError(Reason.UNREACHABLE, f"{what}: the store answers with HTTP {status}.")


def _too_long(url: str) -> LoaderError:
    message = f"{shown(url)} answers with more than {LARGEST_ANSWER >> 20} MiB where a listing is due."
    return LoaderError(Reason.TOO_LARGE, message)


def shown(url: str) -> str:
    """A URL as it may be printed."""
    return without_credentials(url)


@contextmanager
def _translated(url: str) -> Iterator[None]:
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
        raise LoaderError(Reason.BAD_URI, f"{shown(url)!r} is no valid URL: {error}.") from None
