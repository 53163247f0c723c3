"""Connections to an API server: TCP, through an HTTP, HTTPS or SOCKS5 proxy, and TLS.

A proxy is that of the kubeconfig (`proxy-url`), else that of the environment (HTTPS_PROXY, NO_PROXY), as in kubectl.
"""

import base64
import os
import socket
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from modelservice_cli.cluster.kubeconfig import Endpoint
from modelservice_cli.errors import CliError, ExitCode

CONNECT_TIMEOUT = 10.0
"""Seconds to open a connection; a VPN that is off shows as a timeout."""
READ_TIMEOUT = 60.0
"""Seconds without a byte of a response. The API server ends a request after 60 s itself."""
_MAX_PROXY_RESPONSE = 16_384
_SOCKS_ERRORS: Mapping[int, str] = {
    1: "general failure",
    2: "the connection is not allowed",
    3: "the network is unreachable",
    4: "the host is unreachable",
    5: "the connection was refused",
    6: "the time to live expired",
}
"""Replies of a SOCKS5 server (RFC 1928, section 6)."""
_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}

Socket = Any
"""A socket, a TLS socket, or TLS inside of TLS (urllib3), which have the same methods and no common type."""


class ProxyError(OSError):
    """The proxy does not connect."""


class Dialer:
    """Opens connections to one API server."""

    def __init__(self, endpoint: Endpoint, *, connect_timeout: float = CONNECT_TIMEOUT) -> None:
        self._target = urlsplit(endpoint.server)
        self._server_name = endpoint.server_name or self._target.hostname
        self._context = _tls_context(endpoint) if self._target.scheme == "https" else None
        self._proxy = find_proxy(endpoint)
        self._timeout = connect_timeout

    @property
    def host(self) -> str:
        """Host of the API server."""
        return self._target.hostname or ""

    @property
    def port(self) -> int:
        """Port of the API server."""
        return self._target.port or _DEFAULT_PORTS[self._target.scheme]

    @property
    def path_prefix(self) -> str:
        """Path of the server's URL, as behind Rancher; empty for most."""
        return self._target.path

    @property
    def is_tls(self) -> bool:
        """Return True for https."""
        return self._context is not None

    def open(self) -> Socket:
        """Return a connected socket. Raises OSError."""
        connection = self._open_tcp()
        try:
            connection.settimeout(self._timeout)
            if self._context is not None:
                connection = _start_tls(connection, self._context, self._server_name)
            connection.settimeout(READ_TIMEOUT)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_tcp(self) -> Socket:
        if self._proxy is None:
            connection = socket.create_connection((self.host, self.port), self._timeout)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        return _open_through(self._proxy, self.host, self.port, self._timeout)


def find_proxy(endpoint: Endpoint) -> SplitResult | None:
    """Return the proxy for an API server; None for a direct connection. Raises CliError for an unusable URL."""
    target = urlsplit(endpoint.server)
    url = endpoint.proxy or _proxy_of_environment(target)
    if not url:
        return None
    try:
        proxy = urlsplit(url if "://" in url else f"http://{url}")
        is_usable = proxy.scheme in _DEFAULT_PORTS and bool(proxy.hostname) and proxy.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise CliError("The proxy URL is not one of http, https, socks5 and socks5h with a host.", ExitCode.UNREACHABLE)
    return proxy


def _proxy_of_environment(target: SplitResult) -> str | None:
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies_environment
    from urllib.request import proxy_bypass_environment as is_excluded  # type: ignore[attr-defined]

    if is_excluded(target.hostname or ""):
        return None
    found = getproxies_environment()
    return found.get(target.scheme) or found.get("all")


def _open_through(proxy: SplitResult, host: str, port: int, timeout: float) -> Socket:
    address = proxy.hostname or "", proxy.port or _DEFAULT_PORTS[proxy.scheme]
    try:
        connection: Socket = socket.create_connection(address, timeout)
    except OSError as error:
        raise ProxyError(f"the proxy {address[0]}:{address[1]} cannot be reached: {error.strerror or error}") from error
    try:
        if proxy.scheme == "https":
            connection = _start_tls(connection, ssl.create_default_context(), address[0])
        if proxy.scheme.startswith("socks5"):
            _connect_by_socks(connection, proxy, host, port)
        else:
            _connect_by_http(connection, proxy, host, port)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_by_http(connection: Socket, proxy: SplitResult, host: str, port: int) -> None:
    """Ask an HTTP proxy for a tunnel (RFC 9110, section 9.3.6)."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.username is not None:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}")
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    response = b""
    while b"\r\n\r\n" not in response:
        # By the byte: what follows the header is of the API server.
        received = connection.recv(1)
        if not received or len(response) > _MAX_PROXY_RESPONSE:
            raise ProxyError(f"the proxy {proxy.hostname} ended the connection")
        response += received
    status = response.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")[2]
    if not status.startswith("2"):
        raise ProxyError(f"the proxy {proxy.hostname} answered {status}")


def _connect_by_socks(connection: Socket, proxy: SplitResult, host: str, port: int) -> None:
    """Ask a SOCKS5 server for a connection (RFC 1928), which resolves the name."""
    has_login = proxy.username is not None
    connection.sendall(b"\x05\x02\x00\x02" if has_login else b"\x05\x01\x00")
    _, method = _receive(connection, 2, proxy)
    if method == 2:  # noqa: PLR2004 - user name and password (RFC 1929)
        user, password = unquote(proxy.username or "").encode(), unquote(proxy.password or "").encode()
        connection.sendall(b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password)
        _, status = _receive(connection, 2, proxy)
        if status != 0:
            raise ProxyError(f"the SOCKS5 proxy {proxy.hostname} does not accept the login")
    elif method != 0:
        raise ProxyError(f"the SOCKS5 proxy {proxy.hostname} requires a login: add USER:PASSWORD@ to its URL")
    name = host.encode("idna")
    connection.sendall(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + port.to_bytes(2, "big"))
    _, reply, _, kind = _receive(connection, 4, proxy)
    if reply != 0:
        reason = _SOCKS_ERRORS.get(reply, f"error {reply}")
        raise ProxyError(f"the SOCKS5 proxy {proxy.hostname} does not connect to {host}:{port}: {reason}")
    length = {1: 4, 4: 16}.get(kind) or _receive(connection, 1, proxy)[0]
    _receive(connection, length + 2, proxy)


def _receive(connection: Socket, count: int, proxy: SplitResult) -> bytes:
    received = b""
    while len(received) < count:
        chunk = connection.recv(count - len(received))
        if not chunk:
            raise ProxyError(f"the SOCKS5 proxy {proxy.hostname} ended the connection")
        received += chunk
    return received


def _start_tls(connection: Socket, context: ssl.SSLContext, server_name: str | None) -> Socket:
    if not isinstance(connection, ssl.SSLSocket):
        return context.wrap_socket(connection, server_hostname=server_name)
    from urllib3.util.ssltransport import SSLTransport

    return SSLTransport(connection, context, server_hostname=server_name)  # TLS inside of TLS: a proxy by https


def _tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """Return the context of an endpoint. Raises CliError if a certificate or the key is damaged."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if endpoint.authorities is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cadata=endpoint.authorities.decode("ascii"))
        _load_client_certificate(context, endpoint)
    except (ssl.SSLError, ValueError) as error:
        raise CliError(
            f"A certificate or key of the kubeconfig is damaged, or they do not match: {error}.", ExitCode.UNREACHABLE
        ) from error
    if endpoint.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _load_client_certificate(context: ssl.SSLContext, endpoint: Endpoint) -> None:
    """Load a client certificate. The standard library reads it from files only."""
    identity = endpoint.identity
    if identity.certificate is None or identity.key is None:
        return
    with tempfile.TemporaryDirectory() as directory:
        paths = Path(directory, "tls.crt"), Path(directory, "tls.key")
        for path, content in zip(paths, (identity.certificate, identity.key), strict=True):
            path.touch(mode=0o600)
            path.write_bytes(content)
        context.load_cert_chain(*paths, password="")  # an encrypted key would ask for its password on the terminal
