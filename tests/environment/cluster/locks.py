"""File locks that end with the process that holds them, so a killed harness never blocks the next one."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FORK_SECONDS = 10.0
"""Longest time between the fork and the exec of a child on a busy machine."""
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class HeldLock:
    """An exclusive lock on a file, given back at the end of a `with` block."""

    descriptor: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


def try_lock(path: Path) -> HeldLock | None:
    """Take the lock of `path`, or return None where another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return HeldLock(descriptor)


def take_lock(path: Path) -> HeldLock | None:
    """Take the lock of `path`, or return None where a process that runs holds it.

    A child that its killed holder has just forked keeps the lock until it executes its program.
    """
    deadline = time.monotonic() + _FORK_SECONDS
    while (held := try_lock(path)) is None:
        if _is_running(holder_of(path)) or time.monotonic() > deadline:
            return None
        time.sleep(_POLL_SECONDS)
    return held


def holder_of(path: Path) -> int | None:
    """Return the process that last took the lock; None if that is not known."""
    text = path.read_text().strip()
    return int(text) if text.isdecimal() else None


def _is_running(process: int | None) -> bool:
    return process is not None and Path(f"/proc/{process}").exists()


@contextmanager
def waiting_lock(path: Path, *, when_busy: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of `path`, however long another process needs it; `when_busy` is called once."""
    held = try_lock(path)
    if held is None:
        when_busy()
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        held = HeldLock(descriptor)
    with held:
        yield
