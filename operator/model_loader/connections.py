"""Connections of the loader. Every byte to and from a store goes through a connection that is opened here.

The host of a URL is resolved once for each connection, all its addresses are checked by `egress`, and the connection
goes to one of those addresses. TLS verifies the name of the host. Variables of the environment such as HTTPS_PROXY
have no effect.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network

from model_loader import egress
from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.http_messages import READ_TIMEOUT, Socket, Stream, describe_os_error
from model_loader.proxies import NestedTls, Origin, ProxySettings, open_tunnel
from model_loader.request import Network

MAX_CONNECTIONS = 32
CONNECT_TIMEOUT = 10.0
_FIRST_ADDRESS_TIMEOUT = 3.0
"""Seconds for each address of a host but the last one."""
_MAX_IDLE_SECONDS = 30.0
_ALL_NETWORKS = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_NO_PROXY = ProxySettings()


class Connection(Stream):
    """A connection to an origin."""

    def __init__(
        self, connection: Socket, origin: Origin, lowest: socket.socket, *, is_forwarded: bool = False
    ) -> None:
        """Use `connection`, which consists of the socket `lowest` and of TLS on it."""
        super().__init__(connection, origin.host)
        self.origin = origin
        self.is_forwarded = is_forwarded
        """True if a proxy forwards the requests, which then name the origin (RFC 9112, 3.2.2)."""
        self.is_reused = False
        self.idle_since = 0.0
        self._lowest = lowest
        self._readiness = select.poll()
        self._readiness.register(lowest, select.POLLIN)

    def is_usable(self) -> bool:
        """Return True if an idle connection has neither ended nor received bytes that belong to no response."""
        if time.monotonic() - self.idle_since > _MAX_IDLE_SECONDS or self.has_buffered_bytes:
            return False
        try:
            if self._has_no_hidden_bytes() and not self._readiness.poll(0):
                return True
            self.set_timeout(0.0)  # TLS may have received something else than data, such as a ticket of a session
            self.connection.recv_into(bytearray(1))
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def _has_no_hidden_bytes(self) -> bool:
        """Return True if no byte was received that the socket itself does not show."""
        if isinstance(self.connection, ssl.SSLSocket):
            return not self.connection.pending()
        return isinstance(self.connection, socket.socket)

    def abort(self) -> None:
        """End the connection while another thread may use it."""
        with suppress(OSError):
            self._lowest.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        with suppress(OSError):
            self.connection.close()


class Connector:
    """Opens connections to allowed addresses."""

    def __init__(
        self,
        allowed: tuple[Network, ...],
        build_context: Callable[[], ssl.SSLContext],
        proxies: ProxySettings = _NO_PROXY,
    ) -> None:
        """Connect to public addresses, and to those that an administrator allows."""
        self._allowed = allowed
        self._proxies = proxies
        self._build_context = build_context
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()

    def check(self, origin: Origin) -> list[str]:
        """Return the addresses of an origin. Raises LoaderError if one of them is not allowed.

        They may be unknown for an https origin behind a proxy, as only the proxy may be able to resolve its name.
        """
        try:
            found = egress.resolve_addresses(origin.host, origin.port, allowed=self._allowed)
        except egress.UnknownHostError:
            if origin.scheme == "https" and self._proxies.select(origin) is not None:
                return []
            raise
        if origin.scheme == "http" and not egress.is_allowed_for_plain_http(found, self._allowed):
            message = f"http://{origin.host} is not https. Plain http is allowed only for ranges of the operator's"
            raise LoaderError(Reason.BAD_URI, f"{message} --allow-cidr.")
        return found

    def connect(self, origin: Origin) -> Connection:
        """Open a connection. Raises LoaderError, or TransferError if another attempt may succeed."""
        addresses = self.check(origin)
        proxy = self._proxies.select(origin)
        if proxy is not None:
            return self._connect_through(proxy, origin)
        lowest = open_socket(addresses, origin.port, origin.host)
        try:
            if origin.scheme == "https":
                lowest = wrap_socket(lowest, self._get_context(), origin.host)
            return Connection(lowest, origin, lowest)
        except BaseException:
            lowest.close()
            raise

    def _connect_through(self, proxy: Origin, origin: Origin) -> Connection:
        # The administrator names the proxy, so its address may be private; but no metadata service is a proxy.
        addresses = egress.resolve_addresses(proxy.host, proxy.port, allowed=_ALL_NETWORKS)
        lowest = open_socket(addresses, proxy.port, proxy.host)
        try:
            if proxy.scheme == "https":
                lowest = wrap_socket(lowest, self._get_context(), proxy.host)
            if origin.scheme == "http":
                return Connection(lowest, origin, lowest, is_forwarded=True)
            open_tunnel(Stream(lowest, proxy.host), origin)
            if isinstance(lowest, ssl.SSLSocket):
                return Connection(wrap_tls(lowest, self._get_context(), origin.host), origin, lowest)
            lowest = wrap_socket(lowest, self._get_context(), origin.host)
            return Connection(lowest, origin, lowest)
        except BaseException:
            lowest.close()
            raise

    def _get_context(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = self._build_context()
            return self._context


class ConnectionPool:
    """At most MAX_CONNECTIONS connections, which are kept open for further requests. It is thread-safe."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._condition = threading.Condition()
        self._idle: list[Connection] = []
        """The one that was used last is at the end."""
        self._active: set[Connection] = set()
        self._opening = 0
        self._is_closed = False

    def acquire(self, origin: Origin, *, fresh: bool = False) -> Connection:
        """Return a connection for one request; `fresh`: one that no request has used. Raises LoaderError."""
        while (reused := self._take_idle_or_reserve(origin, fresh=fresh)) is not None:
            if reused.is_usable():
                return reused
            self.release(reused, reusable=False)
        connection = None
        try:
            connection = self._connector.connect(origin)
        finally:
            with self._condition:
                self._opening -= 1
                if connection is not None:
                    self._active.add(connection)
                self._condition.notify()
        return connection

    def _take_idle_or_reserve(self, origin: Origin, *, fresh: bool) -> Connection | None:
        """Return an idle connection to the origin, or None after making room for another one; wait for either.

        The idle connection that is unused for the longest time makes room.
        """

        def find_idle() -> Connection | None:
            return None if fresh else next((one for one in reversed(self._idle) if one.origin == origin), None)

        with self._condition:
            self._condition.wait_for(lambda: find_idle() is not None or self._has_room(), timeout=READ_TIMEOUT)
            found = find_idle()
            if found is not None:
                self._idle.remove(found)
                self._active.add(found)
                found.is_reused = True
                return found
            if self._is_closed or not self._has_room():
                raise TransferError(f"No connection to {origin.host!r} was free for {READ_TIMEOUT:.0f} s.")
            if self._count() >= MAX_CONNECTIONS:
                self._idle.pop(0).close()
            self._opening += 1
            return None

    def _count(self) -> int:
        return len(self._idle) + len(self._active) + self._opening

    def _has_room(self) -> bool:
        return self._is_closed or bool(self._idle) or self._count() < MAX_CONNECTIONS

    def release(self, connection: Connection, *, reusable: bool) -> None:
        """Return a connection after its response; `reusable`: that was read to its end."""
        with self._condition:
            self._active.discard(connection)
            if reusable and not self._is_closed:
                connection.idle_since = time.monotonic()
                connection.guard = None
                self._idle.append(connection)
            else:
                connection.close()
            self._condition.notify()

    def close(self) -> None:
        """End all connections, also those that are in use."""
        with self._condition:
            self._is_closed = True
            for idle in self._idle:
                idle.close()
            self._idle.clear()
            for active in self._active:
                active.abort()
            self._condition.notify_all()


def open_socket(addresses: list[str], port: int, host: str) -> socket.socket:
    """Connect to the first address that accepts a connection. Raises TransferError.

    The system adapts the sizes of the buffers of a socket to its connection, unless a program sets them.
    """
    failure: OSError = TimeoutError()
    for number, address in enumerate(addresses, 1):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            opened = socket.socket(family, socket.SOCK_STREAM)
            try:
                opened.settimeout(CONNECT_TIMEOUT if number == len(addresses) else _FIRST_ADDRESS_TIMEOUT)
                opened.connect((address, port))
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except BaseException:
                opened.close()
                raise
        except OSError as error:
            failure = error
        else:
            return opened
    if isinstance(failure, TimeoutError):
        raise TransferError(f"The host {host!r} did not accept a connection within {CONNECT_TIMEOUT:.0f} s.")
    raise TransferError(f"The host {host!r} cannot be reached: {describe_os_error(failure)}.")


def wrap_socket(connection: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    """Begin TLS and verify the name of the host. Raises LoaderError."""
    connection.settimeout(CONNECT_TIMEOUT)
    with _translate_tls_errors(host):
        # An end without a close_notify is an error, as a cut response must not look complete.
        return context.wrap_socket(connection, server_hostname=host, suppress_ragged_eofs=False)


def wrap_tls(connection: ssl.SSLSocket, context: ssl.SSLContext, host: str) -> NestedTls:
    """Begin TLS inside TLS and verify the name of the host. Raises LoaderError."""
    connection.settimeout(CONNECT_TIMEOUT)
    with _translate_tls_errors(host):
        nested = NestedTls(connection, context, host)
        nested.do_handshake()
        return nested


@contextmanager
def _translate_tls_errors(host: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        message = f"The certificate of the host {host!r} is not trusted: {error.verify_message}."
        raise LoaderError(Reason.UNREACHABLE, message) from None
    except TimeoutError:
        message = f"The host {host!r} did not accept a connection within {CONNECT_TIMEOUT:.0f} s."
        raise TransferError(message) from None
    except (OSError, ValueError) as error:  # ValueError: a name that no certificate can have
        cause = describe_os_error(error) if isinstance(error, OSError) else str(error)
        raise TransferError(f"The host {host!r} cannot be reached: {cause}.") from None
