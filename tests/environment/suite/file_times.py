"""Wall and CPU time of each test file: the CPU time of the worker and of every process below it."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tests.environment.processes import descendants_of, running_processes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MIN_SHOWN_SECONDS = 10.0


@dataclass
class FileTime:
    """Times of one file on one worker, in seconds, from the start of its first test to the end of its last one."""

    file: str
    worker: str
    wall: float = 0.0
    cpu: float = 0.0
    tests: int = 0


class Clock:
    """Measures the files that one worker runs, one after the other."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._times: dict[str, FileTime] = {}
        self._file: str | None = None
        self._since = (0.0, 0.0)

    def count_test(self, file: str) -> None:
        """Count a test that starts; a file starts with its first test and ends with the start of another one."""
        if file != self._file:
            self.stop()
            self._file, self._since = file, (time.monotonic(), tree_cpu_seconds())
        self._times.setdefault(file, FileTime(file, self._worker)).tests += 1

    def stop(self) -> None:
        """End the file that is being measured."""
        if self._file is not None:
            entry = self._times[self._file]
            entry.wall += time.monotonic() - self._since[0]
            entry.cpu += max(0.0, tree_cpu_seconds() - self._since[1])
        self._file = None

    def times(self) -> list[dict[str, Any]]:
        """Return the times as plain data, which a worker can send."""
        return [asdict(entry) for entry in self._times.values()]


def tree_cpu_seconds() -> float:
    """Return the CPU time that this process and its descendants have used, with those that have ended.

    The time of a process that ends goes to the parent that waits for it, so the sum never loses any.
    """
    table = running_processes()
    if os.getpid() not in table:
        return time.process_time()
    tree = [table[os.getpid()], *descendants_of([os.getpid()], table)]
    return sum(process.cpu_seconds for process in tree)


def table_of(times: Iterable[FileTime]) -> Iterator[str]:
    """Return the lines of a table: the slow files, the longest first, and the total of each worker."""
    every = sorted(times, key=lambda entry: -entry.wall)
    yield f"{'wall':>8} {'CPU':>8} {'tests':>6}  file"
    for entry in every:
        if entry.wall >= MIN_SHOWN_SECONDS:
            yield _line(entry.wall, entry.cpu, entry.tests, f"{entry.file} ({entry.worker})")
    for worker in sorted({entry.worker for entry in every}):
        own = [entry for entry in every if entry.worker == worker]
        yield _line(sum(it.wall for it in own), sum(it.cpu for it in own), sum(it.tests for it in own), worker)


def _line(wall: float, cpu: float, tests: float, name: str) -> str:
    return f"{wall:7.1f}s {cpu:7.1f}s {tests:6.0f}  {name}"
