"""CPU time and memory of a process from /proc. Linux only."""

import asyncio
import os
import time
from pathlib import Path

from bench.errors import BenchError

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_SAMPLE_SECONDS = 0.25
_BUSY_CPU_SECONDS = 2 * _TICK
"""CPU time within a sample that exceeds the cost of open connections."""
_IDLE_SECONDS = 2.0
_MIN_START_SECONDS = 3.0


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process and of its children that have ended (proc(5), stat, 14 to 17)."""
    return sum(int(field) for field in _stat(pid)[11:15]) * _TICK


def rss_mib(pid: int) -> float:
    """Return the resident memory."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        raise BenchError(f"Process {pid} ended before its memory was measured.") from None
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def wait_until_idle(pid: int, *, seconds: float, description: str) -> float:
    """Wait until a process is idle; return the seconds from now to its last CPU use."""
    started = last_work = time.monotonic()
    used = cpu_seconds(pid)
    while True:
        await asyncio.sleep(_SAMPLE_SECONDS)
        now, total = time.monotonic(), cpu_seconds(pid)
        if total - used >= _BUSY_CPU_SECONDS:
            last_work = now
        used = total
        if now - last_work > _IDLE_SECONDS and now - started > _MIN_START_SECONDS:
            return last_work - started
        if now - started > seconds:
            raise BenchError(f"{description} was still busy after {seconds:g} s.")


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on: the name before them may contain spaces."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        raise BenchError(f"Process {pid} has ended while it was measured.") from None
