"""An HTTP and a SOCKS5 proxy of one process, which remember where they connected."""

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

Proxy = AbstractContextManager[tuple[int, list[str]]]


@contextmanager
def http_proxy(*, login: str = "") -> Iterator[tuple[int, list[str]]]:
    """Run a proxy that answers CONNECT; yield its port and the targets. `login` is USER:PASSWORD."""

    def negotiate(client: socket.socket) -> tuple[str, int] | None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        lines = head.decode().split("\r\n")
        if login and f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}" not in lines:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return None
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        host, _, port = lines[0].split()[1].rpartition(":")
        return host, int(port)

    with _serve(negotiate) as found:
        yield found


@contextmanager
def socks_proxy(*, login: str = "") -> Iterator[tuple[int, list[str]]]:
    """Run a SOCKS5 server (RFC 1928); yield its port and the targets. `login` is USER:PASSWORD."""

    def negotiate(client: socket.socket) -> tuple[str, int] | None:
        methods = client.recv(client.recv(2)[1])
        method = 2 if login else 0
        client.sendall(bytes([5, method if method in methods else 255]))
        if login:
            user = client.recv(client.recv(2)[1])
            password = client.recv(client.recv(1)[0])
            is_right = user + b":" + password == login.encode()
            client.sendall(bytes([1, 0 if is_right else 1]))
            if not is_right:
                return None
        client.recv(4)
        host = client.recv(client.recv(1)[0]).decode()
        port = int.from_bytes(client.recv(2), "big")
        client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        return host, port

    with _serve(negotiate) as found:
        yield found


@contextmanager
def _serve(negotiate: Callable[[socket.socket], tuple[str, int] | None]) -> Iterator[tuple[int, list[str]]]:
    listener = socket.create_server(("127.0.0.1", 0))
    targets: list[str] = []
    threads: list[threading.Thread] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threads.append(threading.Thread(target=handle, args=(client,), daemon=True))
                threads[-1].start()

    def handle(client: socket.socket) -> None:
        with client, suppress(OSError):
            address = negotiate(client)
            if address is None:
                return
            targets.append(f"{address[0]}:{address[1]}")
            with socket.create_connection(address, timeout=30) as upstream:
                back = threading.Thread(target=_copy, args=(upstream, client), daemon=True)
                back.start()
                _copy(client, upstream)
                back.join(30)

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1], targets
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for thread in threads:
            thread.join(5)


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy bytes until the end, and pass the end on."""
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
