"""The proxy of an administrator (MODEL_PROXY), for clusters whose pods have no other way to the stores.

https goes through a tunnel (CONNECT, RFC 9110, 9.3.6) in which TLS verifies the store; http is forwarded. The proxy
connects to whatever the name of a store resolves to there, so that address cannot be pinned: SECURITY.md says what the
proxy must refuse.
"""

import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.http_messages import Stream, encode_request, read_head
from model_loader.request import Network

_PORTS = {"http": 80, "https": 443}
_TLS_BYTES = 64 << 10
_PROXY_AUTHENTICATION_REQUIRED = 407


class Origin(NamedTuple):
    """Scheme, host and port of a URL (RFC 6454)."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """HOST:PORT, as in CONNECT and in URLs."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """The proxy, and the hosts that are connected to directly."""

    proxy: Origin | None = None
    direct_hosts: frozenset[str] = frozenset()
    """Hosts; the hosts below them are meant as well. `*` is every host."""
    direct_networks: tuple[Network, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read MODEL_PROXY and MODEL_NO_PROXY, which the operator sets. Raises LoaderError."""
        url = environment.get("MODEL_PROXY", "").strip()
        if not url:
            return cls()
        hosts: set[str] = set()
        networks: list[Network] = []
        for entry in re.split(r"[\s,]+", environment.get("MODEL_NO_PROXY", "").strip()):
            try:
                networks.append(ip_network(entry.strip("[]"), strict=False))
            except ValueError:
                hosts.add(entry.lower().removeprefix("*.").strip("."))
        return cls(_parse_proxy(url), frozenset(hosts - {""}), tuple(networks))

    def select(self, origin: Origin) -> Origin | None:
        """Return the proxy for an origin; None to connect directly."""
        return None if self.proxy is None or self._is_direct(origin.host) else self.proxy

    def _is_direct(self, host: str) -> bool:
        labels = host.lower().rstrip(".").split(".")
        names = {".".join(labels[start:]) for start in range(len(labels))}
        if "*" in self.direct_hosts or names & self.direct_hosts:
            return True
        address: IPv4Address | IPv6Address | None = None
        with suppress(ValueError):
            address = ip_address(host)
        return address is not None and any(
            address.version == network.version and address in network for network in self.direct_networks
        )


def _parse_proxy(url: str) -> Origin:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    is_origin = parts.path in {"", "/"} and not parts.query and not parts.fragment and "@" not in parts.netloc
    if parts.scheme not in _PORTS or not parts.hostname or not is_origin or port == 0:
        # Not quoted: it may contain a password.
        message = "MODEL_PROXY must be http://HOST:PORT or https://HOST:PORT. Correct --loader-proxy of the operator."
        raise LoaderError(Reason.LOADER_FAILED, message)
    return Origin(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])


def open_tunnel(stream: Stream, origin: Origin) -> None:
    """Have a proxy connect to an origin. Raises LoaderError."""
    stream.begin(encode_request("CONNECT", origin.authority, [("Host", origin.authority)]))
    status = read_head(stream).status
    if not 200 <= status < 300:  # noqa: PLR2004 - any success (RFC 9110, 9.3.6)
        message = f"The proxy {stream.host!r} refused to connect to {origin.authority} (HTTP {status})."
        if status >= 500:  # noqa: PLR2004 - it could not reach the host, or is overloaded
            raise TransferError(message)
        if status == _PROXY_AUTHENTICATION_REQUIRED:
            message += " A proxy that requires a login is not supported."
        raise LoaderError(Reason.UNREACHABLE, message)
    if stream.has_buffered_bytes:
        raise stream.invalid_error("bytes before the first of the tunnel")


class NestedTls:
    """TLS inside a TLS connection to a proxy, which `ssl.SSLContext.wrap_socket` does not support."""

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext, host: str) -> None:
        self._outer = outer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._inner = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def do_handshake(self) -> None:
        """Verify the host. Raises OSError."""
        self._run(self._inner.do_handshake)

    def recv_into(self, buffer: Any, /) -> int:  # noqa: ANN401 - any writable buffer
        """Receive bytes; 0 after a close_notify. Raises OSError, SSLEOFError for an end without it."""
        try:
            return int(self._run(lambda: self._inner.read(len(buffer), buffer)))
        except ssl.SSLZeroReturnError:
            return 0

    def sendall(self, data: Any, /) -> None:  # noqa: ANN401 - any buffer
        """Send bytes. Raises OSError."""
        view = memoryview(data)
        while view:
            view = view[self._run(lambda rest=view: self._inner.write(rest)) :]

    def settimeout(self, value: float | None, /) -> None:
        """Set the seconds that a call may wait."""
        self._outer.settimeout(value)

    def close(self) -> None:
        """Close both connections."""
        self._outer.close()

    def _run(self, call: Any) -> Any:  # noqa: ANN401 - a method of SSLObject
        """Repeat a call until TLS needs no more bytes from the other side."""
        while True:
            try:
                result = call()
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._outer.sendall(self._outgoing.read())

    def _fill(self) -> None:
        received = self._outer.recv(_TLS_BYTES)
        if received:
            self._incoming.write(received)
        else:
            self._incoming.write_eof()
