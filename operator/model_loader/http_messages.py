"""HTTP/1.1 messages on a connection: requests, heads of responses, and bodies (RFC 9112).

Strict, as the sender may be hostile: a head has limits, and whatever allows two readings of a body's length is refused.
Bodies are received straight into the buffer of the caller; only what follows a head in the same packet is copied.
"""

import re
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from model_loader.errors import LoaderError, Reason, TransferError

MAX_HEAD_BYTES = 64 << 10
MAX_FIELDS = 100
MAX_INTERIM_RESPONSES = 8
"""Maximum number of responses such as 103 before the one that counts (RFC 9110, 15.2)."""
READ_TIMEOUT = 30.0
"""Seconds without a byte after which a connection has failed."""
MIN_BYTES_PER_SECOND = 1024
RATE_WINDOW = 60.0
"""Seconds during which a head, or a response with metadata, must bring MIN_BYTES_PER_SECOND on average or end.

`Progress` applies the same rule to files. Both are a hundred times slower than any store that loads a model in time."""
_RECEIVE_BYTES = 16 << 10
"""Maximum number of bytes to receive with a head: the bytes after it are copied."""
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n\0]*)?")
_FIELD_NAME = re.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\0]*)?")
_LENGTH = re.compile("[0-9]{1,18}")
_SINGLE_FIELDS = ("content-length", "location", "transfer-encoding", "content-range", "content-encoding", "etag")
"""Fields whose repetition with another value leaves open what is meant."""
_BODYLESS_STATUSES = frozenset({204, 304})


class Socket(Protocol):
    """The part of a socket that messages need; a TLS connection inside another one has it as well."""

    def recv_into(self, buffer: Any, /) -> int:  # noqa: ANN401 - any writable buffer
        """Receive bytes; 0 at the end."""

    def sendall(self, data: Any, /) -> None:  # noqa: ANN401 - any buffer
        """Send bytes."""

    def settimeout(self, value: float | None, /) -> None:
        """Set the seconds that a call may wait."""

    def close(self) -> None:
        """Close the connection."""


class ConnectionDroppedError(TransferError):
    """The other side ended the connection before a response was complete."""


class RateGuard:
    """Ends a response that comes byte by byte."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._start = time.monotonic()
        self._bytes = 0

    def count(self, received: int) -> None:
        """Count received bytes. Raises LoaderError if they are too few for their time."""
        self._bytes += received
        now = time.monotonic()
        if now - self._start < RATE_WINDOW:
            return
        if self._bytes < MIN_BYTES_PER_SECOND * RATE_WINDOW:
            rate = f"fewer than {MIN_BYTES_PER_SECOND} bytes a second for {RATE_WINDOW:.0f} s"
            raise LoaderError(Reason.TIMEOUT, f"The host {self._host!r} has sent {rate}.")
        self._start, self._bytes = now, 0


class Stream:
    """Bytes of one connection, with a buffer for heads. Its errors are LoaderErrors that name the host."""

    def __init__(self, connection: Socket, host: str) -> None:
        self.connection = connection
        self.host = host
        self.received = 0
        """Bytes since `begin`."""
        self.is_ragged = False
        """True if TLS ended without a close_notify, as if cut (RFC 8446, 6.1)."""
        self.guard: RateGuard | None = None
        self._buffer = bytearray(MAX_HEAD_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._stop = 0
        self._timeout: float | None = None

    def set_timeout(self, seconds: float) -> None:
        """Set the seconds that a call may wait. It is a system call, which is left out if nothing changes."""
        if seconds != self._timeout:
            self._timeout = seconds
            self.connection.settimeout(seconds)

    @property
    def is_tls(self) -> bool:
        """True if the other side can mark the end of its data."""
        return not isinstance(self.connection, socket.socket) or isinstance(self.connection, ssl.SSLSocket)

    @property
    def has_buffered_bytes(self) -> bool:
        """True if bytes were received that nothing has read yet."""
        return self._start < self._stop

    def begin(self, data: bytes) -> None:
        """Send a request, and watch the rate of its response."""
        self.received = 0
        self.guard = RateGuard(self.host)
        self.set_timeout(READ_TIMEOUT)
        try:
            self.connection.sendall(data)
        except OSError as error:
            raise connection_error(error, self.host) from None

    def receive_into(self, view: memoryview) -> int:
        """Receive at most `len(view)` bytes; 0 at the end of the connection."""
        try:
            count = self.connection.recv_into(view)
        except ssl.SSLEOFError:
            self.is_ragged = True
            return 0
        except OSError as error:
            raise connection_error(error, self.host) from None
        self.received += count
        if self.guard is not None:
            self.guard.count(count)
        return count

    def readinto(self, view: memoryview) -> int:
        """Read buffered bytes if there are any, or else receive some; 0 at the end of the connection."""
        count = min(self._stop - self._start, len(view))
        if not count:
            return self.receive_into(view)
        view[:count] = self._view[self._start : self._start + count]
        self._start += count
        return count

    def read_until(self, mark: bytes) -> bytes:
        """Return the bytes before `mark`, which is read as well; they are limited by the size of the buffer."""
        searched = self._start
        while (found := self._buffer.find(mark, searched, self._stop)) < 0:
            searched = max(self._stop - len(mark) + 1, self._start)
            if self._start and (self._start == self._stop or self._stop == len(self._buffer)):
                searched -= self._start
                self._compact()
            if self._stop == len(self._buffer):
                raise self.invalid_error(f"a head is larger than {MAX_HEAD_BYTES >> 10} KiB")
            count = self.receive_into(self._view[self._stop : self._stop + _RECEIVE_BYTES])
            if not count:
                raise dropped_error(self.host)
            self._stop += count
        text = bytes(self._view[self._start : found])
        self._start = found + len(mark)
        return text

    def _compact(self) -> None:
        size = self._stop - self._start
        self._view[:size] = bytes(self._view[self._start : self._stop])
        self._start, self._stop = 0, size

    def invalid_error(self, why: str) -> LoaderError:
        """Return the error for a message that is not valid HTTP."""
        return LoaderError(Reason.UNREACHABLE, f"The host {self.host!r} does not respond with valid HTTP: {why}.")


@dataclass(frozen=True, slots=True)
class Head:
    """Status and fields of a response."""

    status: int
    fields: Mapping[str, str]
    """Lower-case names; repeated fields are joined by a comma and a space (RFC 9110, 5.3)."""
    is_persistent: bool
    """True if the connection can be used for another request."""


def encode_request(method: str, target: str, fields: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """Return a request. Raises ValueError for a field or a target that is not valid."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    head = "\r\n".join(lines).encode("ascii")
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1 or b"\0" in head:
        raise ValueError("a line break in a header")
    return head + b"\r\n\r\n" + body


def read_head(stream: Stream) -> Head:
    """Read the head of a response, after those of interim responses. Raises LoaderError."""
    for _ in range(MAX_INTERIM_RESPONSES + 1):
        head = parse_head(stream.read_until(b"\r\n\r\n"), stream)
        if head.status >= 200:  # noqa: PLR2004 - the first final status
            return head
        if head.status == 101:  # noqa: PLR2004 - Switching Protocols, which was not asked for
            break
    raise stream.invalid_error("it sends interim responses instead of one that counts")


def parse_head(text: bytes, stream: Stream) -> Head:
    """Parse the head of a response: a status line and fields, one a line. Raises LoaderError."""
    first, *lines = text.decode("latin-1").split("\r\n")
    status = _STATUS_LINE.fullmatch(first)
    if status is None:
        raise stream.invalid_error("its status line")
    if len(lines) > MAX_FIELDS:
        raise stream.invalid_error(f"more than {MAX_FIELDS} header fields")
    if text.count(b"\n") != len(lines) or text.count(b"\r") != len(lines) or b"\0" in text:
        raise stream.invalid_error("a header field")
    fields: dict[str, str] = {}
    for line in lines:
        given, colon, value = line.partition(":")
        name = _parse_field_name(given)
        if not colon or name is None:  # also a continued line (obs-fold), which RFC 9112, 5.2 allows to refuse
            raise stream.invalid_error("a header field")
        value = value.strip(" \t")
        if name in fields:
            if name in _SINGLE_FIELDS:
                if fields[name] != value:
                    raise stream.invalid_error(f"different values of {name}")
                continue
            value = f"{fields[name]}, {value}"
        fields[name] = value
    tokens = fields.get("connection", "").lower()
    return Head(int(status[2]), fields, is_persistent=status[1] == "1" and "close" not in tokens)


@lru_cache(maxsize=256)
def _parse_field_name(text: str) -> str | None:
    """Return the name of a field in lower case, or None. All responses of a store have the same names."""
    return text.lower() if _FIELD_NAME.fullmatch(text) else None


class Body:
    """Body of a response. It is complete when `is_complete`, and never without a mark of its end (RFC 9112, 6.3)."""

    def __init__(self, stream: Stream, head: Head, *, is_empty: bool = False) -> None:
        """Read the body after a head. `is_empty`: that of the response to a HEAD request (RFC 9110, 9.3.2)."""
        self._stream = stream
        self.is_complete = False
        self._left: int | None = None
        """Bytes left of the body, or of its current chunk; None for a body that ends with its connection."""
        self._is_chunked = False
        self._is_first_chunk = True
        self._requires_mark = False
        coding, length = head.fields.get("transfer-encoding"), head.fields.get("content-length")
        if is_empty or head.status in _BODYLESS_STATUSES:
            self._left = 0
        elif coding is not None:
            if length is not None or coding.lower() != "chunked":
                raise stream.invalid_error("Transfer-Encoding with Content-Length, or other than chunked")
            self._is_chunked, self._left = True, 0
        elif length is not None:
            if not _LENGTH.fullmatch(length):
                raise stream.invalid_error("its Content-Length")
            self._left = int(length)
        self.is_complete = self._left == 0 and not self._is_chunked

    @property
    def is_framed(self) -> bool:
        """True if the end of the body is known otherwise than by the end of the connection."""
        return self._left is not None

    @property
    def size(self) -> int | None:
        """Bytes that are left; None if they are not known."""
        return None if self._is_chunked else self._left

    def require_marked_end(self) -> None:
        """Treat an end of TLS without a close_notify as a cut. Without effect for a framed body."""
        self._requires_mark = True

    def readinto(self, view: memoryview) -> int:
        """Read at most `len(view)` bytes; 0 at the end of the body. Raises TransferError if it is cut."""
        total = 0
        while len(view) > total and not self.is_complete:
            if self._is_chunked and not self._left and not self._begin_chunk():
                break
            part = view[total:] if self._left is None else view[total : total + self._left]
            count = self._stream.readinto(part)
            total += count
            if not count:
                self._end()
            elif self._left is not None:
                self._left -= count
                self.is_complete = not self._left and not self._is_chunked
            if not self._stream.has_buffered_bytes:
                break
        return total

    def _end(self) -> None:
        if self._left is not None or (self._requires_mark and self._stream.is_ragged):
            raise dropped_error(self._stream.host)
        self.is_complete = True

    def _begin_chunk(self) -> bool:
        """Read the line before a chunk; return False after the last one."""
        stream = self._stream
        if not self._is_first_chunk and stream.read_until(b"\r\n"):
            raise stream.invalid_error("a chunk that is longer than announced")
        self._is_first_chunk = False
        size = _CHUNK_SIZE.fullmatch(stream.read_until(b"\r\n"))
        if size is None:
            raise stream.invalid_error("the size of a chunk")
        self._left = int(size[1], 16)
        if self._left:
            return True
        for _ in range(MAX_FIELDS):
            if not stream.read_until(b"\r\n"):
                self.is_complete = True
                return False
        raise stream.invalid_error(f"more than {MAX_FIELDS} trailer fields")


def dropped_error(host: str) -> ConnectionDroppedError:
    """Return the error for a connection that ends too early."""
    return ConnectionDroppedError(f"The host {host!r} ended the connection before its response was complete.")


def connection_error(error: OSError, host: str) -> TransferError:
    """Return the error for a connection that failed while it was used."""
    if isinstance(error, TimeoutError):
        return TransferError(f"The host {host!r} sent no data for {READ_TIMEOUT:.0f} s.")
    text = f"The connection to {host!r} failed: {describe_os_error(error)}."
    if isinstance(error, ConnectionError) or (isinstance(error, ssl.SSLError) and "EOF" in str(error)):
        return ConnectionDroppedError(text)
    return TransferError(text)


def describe_os_error(error: OSError) -> str:
    """Return the cause of an error without numbers."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "TLS error").replace("_", " ").lower()
    return (error.strerror or type(error).__name__).lower()
