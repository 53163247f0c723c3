"""A watch whose connection has become silent ends; one of a kind that does not change stays open."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.keepalive import IDLE_SECONDS, MAX_PROBES, PROBE_INTERVAL_SECONDS, keepalive_socket
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import UnreachableError
from modelservice_operator.settings import Settings

Send = Callable[[bytes], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5"}}}\n'
SHORT, LONG = 0.2, 60.0


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@asynccontextmanager
async def server(answer: Callable[[Send], Awaitable[None]]) -> AsyncIterator[str]:
    """Serve HTTP on a free port; `answer` writes the response to a request, and the connection stays open."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        await reader.readuntil(b"\r\n\r\n")
        await answer(send)
        await reader.read()  # until the client closes
        writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def read_watch(url: str, settings: Settings, on_event: Callable[[str], None] = print) -> None:
    """Read a watch to its end; `on_event` gets the types of its events."""
    async with (
        RestClient(lambda: Credentials(url, None, None), settings) as client,
        client.watch("/apis", {}, seconds=0) as events,
    ):
        async for event in events:
            on_event(event["type"])


async def test_silence_after_an_event_ends_the_watch() -> None:
    """It is opened again without a word in the log: the next watch continues from the last version."""

    async def answer(send: Send) -> None:
        await send(HEAD + chunk(EVENT))

    settings, received = Settings(watch_end_timeout=LONG, watch_idle_timeout=SHORT), list[str]()
    async with server(answer) as url:
        await read_watch(url, settings, received.append)
    assert received == ["BOOKMARK"]


def test_three_bookmarks_may_be_late() -> None:
    """The API server offers one about every minute, later while it is busy (k8s.io/apiserver, bookmarkFrequency)."""
    assert Settings().watch_idle_timeout >= 3 * 60


async def test_watch_that_outlives_its_duration_is_broken() -> None:
    async def answer(send: Send) -> None:
        await send(HEAD)

    settings = Settings(watch_end_timeout=SHORT, watch_idle_timeout=LONG)
    async with server(answer) as url:
        with pytest.raises(UnreachableError, match="timeout"):
            await read_watch(url, settings)


async def test_watch_without_events_may_stay_silent() -> None:
    """Until the API server ends it: it sends bookmarks only after a change of the kind."""

    async def answer(send: Send) -> None:
        await send(HEAD)
        await asyncio.sleep(3 * SHORT)
        await send(chunk(EVENT) + chunk(b""))

    settings, received = Settings(watch_end_timeout=LONG, watch_idle_timeout=SHORT), list[str]()
    async with server(answer) as url:
        await read_watch(url, settings, received.append)
    assert received == ["BOOKMARK"]


async def test_watch_that_is_not_answered_is_broken() -> None:
    async def answer(_: Send) -> None:
        return

    async with server(answer) as url:
        with pytest.raises(UnreachableError, match="timeout"):
            await read_watch(url, Settings(request_timeout=SHORT))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("TCP_KEEPIDLE", IDLE_SECONDS),
        ("TCP_KEEPINTVL", PROBE_INTERVAL_SECONDS),
        ("TCP_KEEPCNT", MAX_PROBES),
    ],
)
def test_silent_peers_are_probed(option: str, value: int) -> None:
    if not hasattr(socket, option):
        pytest.skip(f"This system has no {option}.")
    address = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))
    with keepalive_socket(address) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert made.getsockopt(socket.IPPROTO_TCP, getattr(socket, option)) == value


async def test_silence_counts_from_the_last_read() -> None:
    """One timer serves all reads: it must not fire while data keeps coming, however long ago it was armed."""
    events = 6

    async def answer(send: Send) -> None:
        await send(HEAD)
        for _ in range(events):
            await send(chunk(EVENT))
            await asyncio.sleep(0.6 * SHORT)

    settings, received = Settings(watch_end_timeout=LONG, watch_idle_timeout=SHORT), list[str]()
    async with server(answer) as url:
        await read_watch(url, settings, received.append)
    assert received == ["BOOKMARK"] * events
