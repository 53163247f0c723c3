"""An HTTP proxy: tunnels for https (CONNECT), and requests of http that it forwards."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.environment.stores.serving import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_HEAD_END = b"\r\n\r\n"


@dataclass
class Proxy:
    """A running proxy."""

    url: str
    hosts: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Names that only the proxy resolves."""
    refusal: bytes = b""
    """Status and phrase with which it refuses every request."""
    requests: list[str] = field(default_factory=list)
    """First lines of the requests."""
    heads: list[bytes] = field(default_factory=list)

    @property
    def environment(self) -> Mapping[str, str]:
        return {"MODEL_PROXY": self.url}


@contextmanager
def proxying(certificate: Path | None = None) -> Iterator[Proxy]:
    """Run a proxy; with the files of a certificate (.crt and .key), clients connect to it by TLS."""
    listener = socket.create_server((LOOPBACK, 0))
    proxy = Proxy(f"{'https' if certificate else 'http'}://localhost:{listener.getsockname()[1]}")
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.with_suffix(".crt"), certificate.with_suffix(".key"))

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=_serve, args=(proxy, client, context), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield proxy
    finally:
        listener.close()


def _serve(proxy: Proxy, client: socket.socket, context: ssl.SSLContext | None) -> None:
    with suppress(OSError, ValueError):
        if context is not None:
            client = context.wrap_socket(client, server_side=True)
        with client:
            head = b""
            while _HEAD_END not in head:
                received = client.recv(65536)
                if not received:
                    return
                head += received
            proxy.heads.append(head)
            proxy.requests.append(head.partition(b"\r\n")[0].decode())
            if proxy.refusal:
                client.sendall(b"HTTP/1.1 " + proxy.refusal + b"\r\nContent-Length: 0\r\n\r\n")
                return
            method, target, _ = proxy.requests[-1].split(" ")
            parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
            where = proxy.hosts.get(parts.hostname or "", (LOOPBACK, parts.port or 80))
            with socket.create_connection(where) as server:
                if method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    rest = head.partition(b"\r\n")[2].replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
                    server.sendall(f"{method} {parts.path} HTTP/1.1\r\n".encode() + rest)
                _relay(client, server)


def _relay(client: socket.socket, server: socket.socket) -> None:
    """Copy bytes in both directions until the server has ended."""

    def upload() -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)

    threading.Thread(target=upload, daemon=True).start()
    while data := server.recv(65536):
        client.sendall(data)
