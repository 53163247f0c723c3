"""Decoding of a watch stream, reading it in batches, and noticing that it has become silent.

Of a batch only the last state of each object is decoded: a watch promises the newest state and not every state, and a
new Deployment or pod sends most of its states within a fraction of a second.

Nothing says how often a watch sends bookmarks, or that it sends any (KEP-956). In fact the API server offers each watch
one a minute, and drops it unless its version is newer than the one that the watch started from (k8s.io/apiserver,
storage/cacher, cacheWatcher.process). So a watch that has sent something sends about every minute from then on, later
if the server is busy. One of a kind that does not change may stay silent until its end; TCP keep-alive finds out
whether its connection works.
"""

import asyncio
import math
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from modelservice_operator.errors import UnreachableError

_STATE_OF_AN_OBJECT = re.compile(
    rb'\{"type":"(?:ADDED|MODIFIED)","object":\{"kind":"\w+","apiVersion":"[\w./-]+","metadata":\{"name":"([^"\\]+)",'
    rb'(?:"generateName":"[^"\\]+",)?"namespace":"([^"\\]+)"'
)
"""Beginning of an event of a built-in kind, whose fields the API server writes in the order of its Go types. What does
not match, such as an object of a CRD, is decoded in any case."""


@dataclass(frozen=True, slots=True)
class WatchTimeouts:
    """Seconds without data after which a watch is given up: before its first data, and after it."""

    first: float
    idle: float


async def watch_events(
    response: aiohttp.ClientResponse, timeouts: WatchTimeouts, read_delay: float
) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of a watch: one JSON document a line. A line that the end of the stream cuts off is dropped.

    After each read nothing is read for `read_delay` seconds. A stream that has sent data and becomes silent is at its
    end: the next watch continues where it stopped. Raises TimeoutError for one that is silent from the start.
    """
    reader = _Reader(response.content)
    try:
        rest, chunk = b"", await reader.read(timeouts.first)
        while chunk:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in newest_states(lines) if len(lines) > 1 else lines:
                if line:
                    yield decode_object(line, "a watch")
            await _delay_reads(response, read_delay)
            try:
                chunk = await reader.read(timeouts.idle)
            except TimeoutError:
                return
    finally:
        reader.close()


def newest_states(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Return the events of a batch in their order, without the states that a later one of the batch replaces.

    A deletion stays, and so does the state of a later object of its name.
    """
    keys = [None if (match := _STATE_OF_AN_OBJECT.match(line)) is None else match.groups() for line in lines]
    last = {key: number for number, key in enumerate(keys)}
    return (line for number, line in enumerate(lines) if keys[number] is None or last[keys[number]] == number)


def decode_object(text: bytes, request: str) -> dict[str, Any]:
    """Decode one JSON object. Raises UnreachableError, naming the `request`, for anything else."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UnreachableError(f"The API server's response to {request} is not JSON.") from error
    if not isinstance(value, dict):
        raise UnreachableError(f"The API server's response to {request} is not an object.")
    return value


class _Reader:
    """Reads a stream with a limit of its silence, by one timer for all reads: one for each costs as much as a read."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content
        self._loop = asyncio.get_running_loop()
        self._deadline: float | None = None
        """End of the silence that the current read may have; None while nothing is read."""
        self._timer: asyncio.Handle | None = None
        self._fires_at = math.inf
        """Time of the timer; stored, because a handle of uvloop has none when it is due immediately."""

    async def read(self, seconds: float) -> bytes:
        """Return what has arrived; nothing at the end. Raises TimeoutError after silence, for good."""
        self._deadline = self._loop.time() + seconds
        if self._fires_at > self._deadline:
            self._arm(self._deadline)
        try:
            return await self._content.readany()
        finally:
            self._deadline = None

    def close(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self, moment: float) -> None:
        self.close()
        self._fires_at, self._timer = moment, self._loop.call_at(moment, self._check)

    def _check(self) -> None:
        self._fires_at = math.inf
        if self._deadline is None:
            return  # the next read arms it
        if self._loop.time() < self._deadline:
            self._arm(self._deadline)
        else:
            self._content.set_exception(TimeoutError())


async def _delay_reads(response: aiohttp.ClientResponse, seconds: float) -> None:
    """Wait, and leave what arrives in the socket, where it costs nothing."""
    if seconds == 0:
        return
    transport: Any = response.connection.transport if response.connection is not None else None
    if transport is None or transport.is_closing():
        return
    if hasattr(transport, "set_read_buffer_limits"):
        transport.set_read_buffer_limits(high=1)  # TLS would read ahead
    transport.pause_reading()
    try:
        await asyncio.sleep(seconds)
    finally:
        transport.resume_reading()
