"""Decoding of a watch stream, and reading it in batches."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson

from modelservice_operator.errors import UnreachableError


async def watch_events(response: aiohttp.ClientResponse, read_delay: float) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of a watch: one JSON document a line. A line that the end of the stream cuts off is dropped.

    After each read nothing is read for `read_delay` seconds.
    """
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield decode_object(line, "a watch")
        await _delay_reads(response, read_delay)


def decode_object(text: bytes, request: str) -> dict[str, Any]:
    """Decode one JSON object. Raises UnreachableError, naming the `request`, for anything else."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UnreachableError(f"The API server's response to {request} is not JSON.") from error
    if not isinstance(value, dict):
        raise UnreachableError(f"The API server's response to {request} is not an object.")
    return value


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
