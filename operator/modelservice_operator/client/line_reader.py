"""Reads the line that a server sends to each connection. Nothing is sent, so no address gains from being dialled."""

import asyncio
from ipaddress import ip_address

MAX_LINE_BYTES = 1024
READ_TIMEOUT = 1.0
"""Seconds for a connection and its line, within a cluster."""


async def read_line(address: str, port: int) -> bytes | None:
    """Return what the server sends before it closes the connection; None if it fails, is too long or takes too long."""
    if not _is_pod_address(address):
        return None
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            reader, writer = await asyncio.open_connection(address, port, limit=MAX_LINE_BYTES)
            try:
                return await _read_to_end(reader)
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        return None


async def _read_to_end(reader: asyncio.StreamReader) -> bytes | None:
    received = b""
    while chunk := await reader.read(MAX_LINE_BYTES):
        received += chunk
        if len(received) > MAX_LINE_BYTES:
            return None
    return received


def _is_pod_address(text: str) -> bool:
    """Return True for an IP address of one host. A name is never resolved."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return not (address.is_multicast or address.is_unspecified or address.is_link_local)
