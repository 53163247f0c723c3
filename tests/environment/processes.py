"""The kernel's process table (proc(5)), on Linux; empty elsewhere.

Every process has a parent and a session. A session keeps its number when its leader ends, and a process that outlives
its parent keeps its session.
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROC = Path("/proc")
PR_SET_CHILD_SUBREAPER = 36
_SECONDS_PER_TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """One entry of the process table."""

    pid: int
    parent: int
    session: int
    started: str
    """Start time in clock ticks since boot: names the process together with its number."""
    cpu_seconds: float
    """CPU time of the process and of its children that it has waited for."""
    name: str

    @property
    def command(self) -> str:
        """The command line, or the name of the program where the process has none."""
        try:
            text = (PROC / str(self.pid) / "cmdline").read_bytes()
        except OSError:
            return self.name
        return text.replace(b"\0", b" ").decode(errors="replace").strip() or self.name


def read_process(pid: int) -> Process | None:
    """Return a process that runs, or None. A zombie does not run."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may contain spaces and parentheses.
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    if fields[0] in "ZX":
        return None
    cpu = sum(int(field) for field in fields[11:15]) * _SECONDS_PER_TICK
    return Process(pid, int(fields[1]), int(fields[3]), fields[19], cpu, head.partition("(")[2])


def running_processes() -> dict[int, Process]:
    """Return every process that runs, by its number."""
    found = (read_process(int(path.name)) for path in PROC.glob("[0-9]*"))
    return {process.pid: process for process in found if process is not None}


def descendants_of(pids: Iterable[int], table: Mapping[int, Process]) -> list[Process]:
    """Return the children of processes, and theirs, without the processes themselves."""
    children: dict[int, list[Process]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    found: dict[int, Process] = {}
    waiting = list(pids)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child.pid not in found:
                found[child.pid] = child
                waiting.append(child.pid)
    return list(found.values())


def session_of(leader: int, started: str, table: Mapping[int, Process]) -> list[Process]:
    """Return the processes of the session that a process leads or has led, and their descendants.

    `started` is the leader's start time. Where another process has its number now, the session has ended.
    """
    now = table.get(leader)
    if now is not None and now.started != started:
        return []
    members = [process for process in table.values() if process.session == leader]
    others = descendants_of([process.pid for process in members], table)
    return list({process.pid: process for process in (*members, *others)}.values())


def adopt_orphans() -> bool:
    """Make this process the parent of every descendant whose parent ends; return True if the kernel does so.

    Without it (other systems than Linux) such a descendant becomes a child of process 1, and its origin is lost.
    """
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
