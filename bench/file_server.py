"""A file server for the loader benchmark: the files of a directory by HTTP or HTTPS, with ranges, for little CPU."""

import argparse
import os
import re
import socket
import ssl
import threading
from pathlib import Path

_HEAD_BYTES = 64 << 10
_SEND_BYTES = 1 << 20
_RANGE = re.compile(rb"\r\nrange: bytes=(\d+)-(\d*)", re.IGNORECASE)


def serve(directory: Path, port: int, certificate: tuple[Path, Path] | None) -> None:
    """Serve until the process ends."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve_connection, args=(connection, directory, context), daemon=True).start()


def _serve_connection(connection: socket.socket, directory: Path, context: ssl.SSLContext | None) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True)
        with connection:
            while (head := _read_head(connection)) is not None:
                _respond(connection, directory, head)
    except (OSError, ValueError):
        return


def _read_head(connection: socket.socket) -> bytes | None:
    head = b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(_HEAD_BYTES)
        if not received:
            return None
        head += received
    return head


def _respond(connection: socket.socket, directory: Path, head: bytes) -> None:
    name = head.split(b" ", 2)[1].decode().partition("?")[0].lstrip("/")
    with (directory / name).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        found = _RANGE.search(head)
        start, stop = (int(found[1]), int(found[2]) + 1 if found[2] else size) if found else (0, size)
        lines = [
            "HTTP/1.1 206 Partial Content" if found else "HTTP/1.1 200 OK",
            f"Content-Length: {stop - start}",
            f'ETag: "{name}-{size}"',
            "Accept-Ranges: bytes",
        ]
        if found:
            lines.append(f"Content-Range: bytes {start}-{stop - 1}/{size}")
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        if isinstance(connection, ssl.SSLSocket):
            file.seek(start)
            while start < stop and (data := file.read(min(_SEND_BYTES, stop - start))):
                connection.sendall(data)
                start += len(data)
            return
        while start < stop:
            start += os.sendfile(connection.fileno(), file.fileno(), start, stop - start)


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    options = parser.parse_args()
    certificate = (options.certificate, options.key) if options.certificate else None
    serve(options.directory, options.port, certificate)


if __name__ == "__main__":
    main()
