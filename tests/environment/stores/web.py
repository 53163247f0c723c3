"""An https server with a real certificate chain, and every bad habit that a server can have."""

from __future__ import annotations

import hashlib
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.environment.cluster.pki import Authority
from tests.environment.stores.serving import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = "localhost"


class Handler(BaseHTTPRequestHandler):
    """Answers by the server's pages."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Find the page, or say that there is none."""
        self.server.asked.append((self.path, dict(self.headers)))
        page = self.server.pages.get(self.path.partition("?")[0])
        with suppress(ConnectionError, ssl.SSLError):
            if page is None:
                self.answer(404, b"no such page")
            else:
                page(self)

    do_HEAD = do_POST = do_GET  # noqa: N815

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Send a whole answer."""
        self.begin(status, length=len(body), **headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def begin(self, status: int, *, length: int | None = None, **headers: str) -> None:
        """Send the head of an answer; without a length, the connection's end is its end."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length is None:
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


Page = "Callable[[Handler], None]"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), Handler)
        self.pages: dict[str, Callable[[Handler], None]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def handle_error(self, *_: Any) -> None:
        """Clients that go away in the middle are what this is for."""


@dataclass
class Web:
    """A running server."""

    server: _Server
    scheme: str
    certificates: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{NAME}:{self.server.server_port}"

    @property
    def asked(self) -> list[tuple[str, dict[str, str]]]:
        """Paths and headers of the requests so far."""
        return self.server.asked

    def page(self, path: str, answer: Callable[[Handler], None]) -> str:
        """Serve `path`; return its URL."""
        self.server.pages[path] = answer
        return self.url + path

    def file(self, path: str, content: bytes) -> str:
        """Serve a file as a good server does: with an ETag, and in parts."""
        return self.page(path, whole(content))

    def redirect(self, path: str, target: str, *, status: int = 302) -> str:
        """Redirect requests for `path` to `target`."""
        return self.page(path, lambda handler: handler.answer(status, Location=target))


def whole(content: bytes, *, ranges: bool = True) -> Callable[[Handler], None]:
    """A file with an ETag; RFC 9110, 14.2 for the ranges."""
    tag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'

    def answer(handler: Handler) -> None:
        asked = handler.headers.get("Range") if ranges else None
        if asked is None or handler.headers.get("If-Range", tag) != tag:
            handler.answer(200, content, ETag=tag)
            return
        start, _, stop = asked.removeprefix("bytes=").partition("-")
        first, last = int(start), int(stop) if stop else len(content) - 1
        part = content[first : last + 1]
        handler.answer(206, part, ETag=tag, Content_Range=f"bytes {first}-{first + len(part) - 1}/{len(content)}")

    return answer


def cut(content: bytes, after: int, *, times: int = 1) -> Callable[[Handler], None]:
    """A file whose connection breaks off after some bytes, the first few times."""
    left = [times]
    good = whole(content)

    def answer(handler: Handler) -> None:
        if left[0] <= 0:
            good(handler)
            return
        left[0] -= 1
        tag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
        handler.begin(200, length=len(content), ETag=tag)
        handler.wfile.write(content[:after])
        handler.wfile.flush()
        handler.close_connection = True
        handler.connection.close()

    return answer


def unannounced(content: bytes, *, marks_end: bool = True) -> Callable[[Handler], None]:
    """A file without a length, which ends with its connection; with TLS, a close_notify marks the end."""

    def answer(handler: Handler) -> None:
        handler.begin(200)
        handler.wfile.write(content)
        if marks_end and isinstance(handler.connection, ssl.SSLSocket):
            handler.connection.unwrap()

    return answer


def lying(content: bytes, length: int) -> Callable[[Handler], None]:
    """A file that is announced with another length."""

    def answer(handler: Handler) -> None:
        handler.begin(200, length=length)
        handler.wfile.write(content)
        handler.close_connection = True

    return answer


def endless(chunk: bytes = b"\0" * 65536) -> Callable[[Handler], None]:
    """A body without an end."""

    def answer(handler: Handler) -> None:
        handler.begin(200)
        while True:
            handler.wfile.write(chunk)

    return answer


def dripping(seconds: float = 0.2) -> Callable[[Handler], None]:
    """A body of one byte at a time (slow-loris)."""

    def answer(handler: Handler) -> None:
        handler.begin(200, length=1 << 30)
        for _ in range(1000):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(seconds)

    return answer


def changing(contents: list[bytes]) -> Callable[[Handler], None]:
    """A file that is another one each time."""
    left = list(contents)

    def answer(handler: Handler) -> None:
        whole(left.pop(0) if len(left) > 1 else left[0])(handler)

    return answer


@contextmanager
def serving(folder: Path, *, tls: bool = True) -> Iterator[Web]:
    """Run a server; with TLS, the environment names the trusted authority."""
    server = _Server()
    web = Web(server, "https" if tls else "http")
    if tls:
        authority = Authority.create("stores of the tests")
        authority.issue("web", names=(NAME, LOOPBACK)).write(folder, "web")
        trusted = folder / "trusted.crt"
        trusted.write_bytes(authority.pair.certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "web.crt", folder / "web.key")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        web.certificates = trusted
        web.environment = {"SSL_CERT_FILE": str(trusted)}
    thread = threading.Thread(target=server.serve_forever, name="web", daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
