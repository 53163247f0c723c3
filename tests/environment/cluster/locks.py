"""File locks that end with the process that holds them, so a killed harness never blocks the next one."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


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


def holder_of(path: Path) -> str:
    """Return "process N" for the last one that took the lock, for messages."""
    return f"process {path.read_text().strip() or '?'}"


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
