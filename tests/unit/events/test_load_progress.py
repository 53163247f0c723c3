"""Reads of the progress of loaders: which pod, when, and what a hostile loader can do."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from modelservice_operator.client.line_reader import MAX_LINE_BYTES, READ_TIMEOUT, read_line
from modelservice_operator.events.load_progress import (
    MAX_CONCURRENT_READS,
    MAX_READ_INTERVAL,
    READ_INTERVAL,
    LoadProgressReader,
    TrackedLoad,
    read_interval,
)
from modelservice_operator.status.load_progress import LoadProgress
from modelservice_operator.status.pods import Pod
from tests.support.clock import ManualClock
from tests.support.pods import new_pod

LINE = json.dumps({"bytes": 300, "total": 1000, "secondsLeft": 70}).encode()
PROGRESS = LoadProgress(loaded_bytes=300, total_bytes=1000, seconds_left=70)


def pods(*addresses: str) -> tuple[Pod, ...]:
    pod = Pod.of(new_pod().body())
    return tuple(pod._replace(uid=f"uid-{number}", ip=address) for number, address in enumerate(addresses))


class Loaders:
    """Loaders by their addresses; those without a line refuse the connection."""

    def __init__(self, **lines: bytes) -> None:
        self.lines = lines
        self.asked: list[str] = []

    async def __call__(self, address: str, _port: int) -> bytes | None:
        self.asked.append(address)
        return self.lines.get(address)


async def track(
    loaders: Loaders, found: Sequence[Pod], reads: int, tracked: TrackedLoad | None = None
) -> TrackedLoad | None:
    """Read as often as that, each time when it is due."""
    clock = ManualClock(1000)
    reader = LoadProgressReader(clock=clock, read=loaders)
    tracked = await reader.read(found, tracked)
    for _ in range(reads):
        assert tracked is not None
        clock.seconds += reader.seconds_to_next_read(tracked)
        tracked = await reader.read(found, tracked)
    return tracked


async def test_one_pod_is_asked_while_it_reports() -> None:
    loaders = Loaders(a=LINE, b=LINE)
    tracked = await track(loaders, pods("a", "b"), 3)
    assert loaders.asked == ["a", "a", "a"]
    assert tracked is not None
    assert tracked.progress == PROGRESS


async def test_next_pod_is_asked_if_one_reports_nothing() -> None:
    """On a shared claim one loader loads, and the others wait."""
    loaders = Loaders(a=json.dumps({"bytes": 0, "total": None}).encode(), c=LINE)
    tracked = await track(loaders, pods("a", "b", "c"), 4)
    assert loaders.asked == ["a", "b", "c", "c"]
    assert tracked is not None
    assert tracked.progress == PROGRESS


async def test_progress_of_a_replaced_pod_is_dropped() -> None:
    reader = LoadProgressReader(clock=ManualClock(1000), read=Loaders())
    tracked = await reader.read(pods("a"), TrackedLoad("gone", 1010, PROGRESS))
    assert tracked == TrackedLoad("uid-0", 1010)


async def test_reported_progress_is_read_after_a_restart() -> None:
    """The status has the progress that the last process wrote: it is neither removed nor outdated for long."""
    reader = LoadProgressReader(clock=ManualClock(1000), read=Loaders(a=LINE))
    tracked = await reader.read(pods("a"), None, is_reported=True)
    assert tracked is not None
    assert tracked.progress == PROGRESS


async def test_no_pod_is_asked_when_none_loads() -> None:
    loaders = Loaders()
    assert await LoadProgressReader(read=loaders).read((), TrackedLoad("uid", 0.0, PROGRESS)) is None
    assert loaders.asked == []


async def test_reads_are_limited_and_the_others_come_later() -> None:
    clock, waiting, release = ManualClock(1000), 0, asyncio.Event()

    async def read(_address: str, _port: int) -> bytes:
        nonlocal waiting
        waiting += 1
        await release.wait()
        return LINE

    reader = LoadProgressReader(clock=clock, read=read)
    loads = [TrackedLoad("uid-0", 0.0) for _ in range(20)]
    tasks = [asyncio.create_task(reader.read(pods("a"), load)) for load in loads]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (waiting, sum(task.done() for task in tasks)) == (MAX_CONCURRENT_READS, 20 - MAX_CONCURRENT_READS)
    release.set()
    await asyncio.gather(*tasks)
    assert sorted(load.next_read_at for load in loads) == [1001.0] * 16 + [1000 + READ_INTERVAL] * 4


def test_interval_grows_with_failures() -> None:
    assert [read_interval(failures) for failures in range(4)] == [15.0, 30.0, 60.0, 120.0]
    assert read_interval(10**6) == MAX_READ_INTERVAL


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_line_is_read_and_nothing_is_sent() -> None:
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(LINE)
        writer.write_eof()
        received.set_result(await reader.read())

    async with serving(answer) as port:
        assert await read_line("127.0.0.1", port) == LINE
        assert await received == b""


async def test_endless_line_is_refused() -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"1" * MAX_LINE_BYTES)
            await writer.drain()

    async with serving(answer) as port:
        assert await read_line("127.0.0.1", port) is None


async def test_slow_line_is_abandoned() -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with serving(answer) as port, asyncio.timeout(READ_TIMEOUT * 3):
        assert await read_line("127.0.0.1", port) is None


@pytest.mark.parametrize(
    "address",
    ["", "localhost", "0.0.0.0", "224.0.0.1", "169.254.169.254", "fe80::1", "::", "a b"],  # noqa: S104
)
async def test_other_addresses_are_never_dialled(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "open_connection", None)
    assert await read_line(address, 9413) is None


async def test_refused_connection_reads_nothing() -> None:
    async with serving(lambda *_: asyncio.sleep(0)) as port:
        pass
    assert await read_line("127.0.0.1", port) is None
