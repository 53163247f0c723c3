"""A small HTTP/1.1 server that ends as servers should. It runs in a container, by `python3 -c`.

At SIGTERM it closes the listening socket immediately, so a connection that arrives later is refused. The connections
that it has are drained: the next response on each has `Connection: close`, and one without a request is closed after
IDLE_SECONDS. The process ends with the last connection.
"""

import asyncio
import os
import signal
from typing import Final

WORK_SECONDS: Final = 0.005
IDLE_SECONDS: Final = 2.0
END_OF_HEAD: Final = b"\r\n\r\n"


class Connection(asyncio.Protocol):
    """One connection: requests without a body, one after the other."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.server.connections.discard(self)
        self.server.end_if_drained()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if END_OF_HEAD in self.buffer:
            head, _, self.buffer = self.buffer.partition(END_OF_HEAD)
            asyncio.get_running_loop().call_later(WORK_SECONDS, self.respond, head)

    def respond(self, head: bytes) -> None:
        last = self.server.draining or b"connection: close" in head.lower()
        ending = b"Connection: close\r\n" if last else b""
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" + ending + b"\r\nok\n")
        if last:
            self.transport.close()


class Server:
    """All connections, and the end."""

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self.draining = False
        self.drained = asyncio.Event()

    async def serve(self, port: int) -> None:
        """Serve until SIGTERM, then until the last connection is closed."""
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: Connection(self), port=port)
        loop.add_signal_handler(signal.SIGTERM, self.drain, listening)
        await self.drained.wait()

    def drain(self, listening: asyncio.Server) -> None:
        listening.close()
        self.draining = True
        asyncio.get_running_loop().call_later(IDLE_SECONDS, self.close_idle)
        self.end_if_drained()

    def close_idle(self) -> None:
        for connection in set(self.connections):
            connection.transport.close()

    def end_if_drained(self) -> None:
        if self.draining and not self.connections:
            self.drained.set()


if __name__ == "__main__":
    asyncio.run(Server().serve(int(os.environ["PORT"])))
