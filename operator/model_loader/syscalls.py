"""System calls of Linux that Python's `os` does not have. Each may be missing: all of them only save time.

`os.posix_fallocate` is not used: glibc writes to each block of a file if the file system does not support it.
"""

import ctypes
import errno
import os
from functools import cache
from typing import Any

WRITE_BEHIND_BYTES = 8 << 20
"""Bytes that are written together: each call costs system time."""
MIN_WRITE_BEHIND_BYTES = 1 << 20
_SYNC_FILE_RANGE_WRITE = 2
"""Start to write, do not wait (sync_file_range(2))."""


@cache
def _find_function(name: str, *types: Any) -> Any:  # noqa: ANN401 - types of ctypes
    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (OSError, AttributeError):
        return None
    function.argtypes, function.restype = types, ctypes.c_int
    return function


def preallocate(descriptor: int, size: int) -> None:
    """Reserve the space of a file, so that a full volume is reported first. Raises OSError (ENOSPC).

    File systems that cannot reserve space get a file with a hole.
    """
    function = _find_function("fallocate", ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if function is None or function(descriptor, 0, 0, size) != 0:
        code = ctypes.get_errno()
        if function is not None and code in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise OSError(code, os.strerror(code))
        os.ftruncate(descriptor, size)


class WriteBehind:
    """Lets the kernel write a file to the disk while more of it is written, so that a later sync waits for little."""

    def __init__(self, descriptor: int, start: int = 0) -> None:
        self._descriptor = descriptor
        self._start = start

    def reach(self, offset: int, minimum: int = WRITE_BEHIND_BYTES) -> None:
        """Start to write the bytes up to `offset` if there are at least `minimum`."""
        if offset - self._start >= minimum:
            start_writing(self._descriptor, self._start, offset - self._start)
            self._start = offset


def start_writing(descriptor: int, offset: int, count: int) -> None:
    """Let the kernel begin to write a range to the disk."""
    function = _find_function("sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    if function is not None:
        function(descriptor, offset, count, _SYNC_FILE_RANGE_WRITE)


def sync_file_system(descriptor: int) -> bool:
    """Write all of a file system to the disk; return False if that is not possible here. Raises OSError (EIO)."""
    function = _find_function("syncfs", ctypes.c_int)
    if function is None:
        return False
    if function(descriptor) == 0:
        return True
    code = ctypes.get_errno()
    if code in {errno.EIO, errno.ENOSPC, errno.EDQUOT}:
        raise OSError(code, os.strerror(code))
    return False
