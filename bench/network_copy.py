"""The bound of a download: receive ranges of files over kept connections, and discard them.

`python network_copy.py LIST WORKERS [AUTHORITY]` reads lines of `URL START STOP`. It uses no code of the loader.
"""

import socket
import ssl
import sys
import threading
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit

_BUFFER_BYTES = 512 << 10


class _Connection:
    """A kept connection to the host of the URLs."""

    def __init__(self, url: str, context: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        self._host = parts.netloc
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80))
        if context is not None:
            self._socket = context.wrap_socket(self._socket, server_hostname=parts.hostname)
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))

    def discard(self, url: str, start: int, stop: int) -> None:
        """Receive a range."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        lines = [f"GET {target} HTTP/1.1", f"Host: {self._host}", f"Range: bytes={start}-{stop - 1}", "", ""]
        self._socket.sendall("\r\n".join(lines).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            received = self._socket.recv(1024)
            if not received:
                raise OSError("no response")
            head += received
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 206")):
            raise OSError(head[:200].decode())
        left = stop - start - len(head.partition(b"\r\n\r\n")[2])
        while left:
            count = self._socket.recv_into(self._buffer[:left])
            if not count:
                raise OSError("the connection ended")
            left -= count


def main(arguments: list[str]) -> int:
    """Receive all ranges; return the exit code."""
    ranges = deque(line.split() for line in Path(arguments[0]).read_text().splitlines())
    context = ssl.create_default_context(cafile=arguments[2]) if len(arguments) > 2 else None  # noqa: PLR2004
    failures: list[Exception] = []

    def work() -> None:
        try:
            connection = _Connection(ranges[0][0], context)
            while True:
                try:
                    url, start, stop = ranges.popleft()
                except IndexError:
                    return
                connection.discard(url, int(start), int(stop))
        except (OSError, ValueError, IndexError) as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(int(arguments[1]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in failures:
        sys.stderr.write(f"{failure}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
