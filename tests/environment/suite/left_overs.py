"""Things that a test run leaves on this machine: processes, mounts, network namespaces, interfaces and ports.

A run owns the descendants of its first process. The kernel gives orphans to that process (`adopt_orphans`), so a
server that outlives its parent is still found, and the processes of other users of the machine are not.
"""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.environment.cluster.directories import cache_directory, state_directory
from tests.environment.cluster.network import PREFIX
from tests.environment.processes import PROC, Process, descendants_of, running_processes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAMED_NAMESPACES = Path("/run/netns")
_INTERFACES = PROC / "self/net/dev"
_MOUNTS = PROC / "self/mountinfo"
_LISTEN = "0A"
_SOCKET = "socket:["


@dataclass(frozen=True)
class Inventory:
    """Everything on this machine that a run could leave behind, except processes."""

    mounts: frozenset[str]
    """Mount points below the directories that tests write to, and pinned network namespaces."""
    namespaces: frozenset[str]
    """Names of network namespaces (ip-netns(8))."""
    interfaces: frozenset[str]
    ports: frozenset[str]
    """Addresses on which this process or a descendant listens, with the process."""

    @classmethod
    def take(cls, *, ignored: Iterable[int] = ()) -> Inventory:
        """Return what there is now; `ignored` are processes whose ports do not count."""
        return cls(
            frozenset(_mounts(_MOUNTS.read_text())),
            frozenset(path.name for path in NAMED_NAMESPACES.glob("*")),
            frozenset(_interfaces(_INTERFACES.read_text())),
            frozenset(_ports(ignored)),
        )

    def new_since(self, before: Inventory) -> list[str]:
        """Return a line for each thing that was not there before."""
        return [
            *(f"mount: {point}" for point in sorted(self.mounts - before.mounts)),
            *(f"network namespace: {name}" for name in sorted(self.namespaces - before.namespaces)),
            *(f"network interface: {name}" for name in sorted(self.interfaces - before.interfaces)),
            *(f"listening port: {port}" for port in sorted(self.ports - before.ports)),
        ]


class LeftOverCheck:
    """Compares the end of a run with its start."""

    def __init__(self) -> None:
        self._processes = {process.pid for process in _own_descendants()}
        self._before = Inventory.take()

    def find(self) -> list[str]:
        """Return a line for each thing that the run has left behind."""
        left = [f"process {process.pid}: {process.command[:200]}" for process in self._processes_left()]
        return [*left, *Inventory.take(ignored=self._processes).new_since(self._before)]

    def end_processes(self) -> None:
        """Kill the processes that the run has left behind: the machine must not fill up with failed runs."""
        for process in self._processes_left():
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def _processes_left(self) -> list[Process]:
        return [process for process in _own_descendants() if process.pid not in self._processes]


def _own_descendants() -> list[Process]:
    return descendants_of([os.getpid()], running_processes())


def _interfaces(table: str) -> Iterator[str]:
    """Read /proc/PID/net/dev (proc_pid_net(5)): the interfaces of this network namespace, after two title lines."""
    names = (line.partition(":")[0].strip() for line in table.splitlines()[2:])
    return (name for name in names if name.startswith(PREFIX))


def _mounts(mountinfo: str) -> Iterator[str]:
    """Read /proc/PID/mountinfo (proc_pid_mountinfo(5)): the fifth field is the mount point, the type follows " - "."""
    places = [Path(tempfile.gettempdir()).resolve(), cache_directory(), state_directory()]
    for line in mountinfo.splitlines():
        fields, _, kind = line.partition(" - ")
        point = Path(fields.split()[4].replace("\\040", " "))
        if kind.startswith("nsfs ") or any(point.is_relative_to(place) for place in places):
            yield f"{point} ({kind.split()[0]})"


def _ports(ignored: Iterable[int]) -> Iterator[str]:
    owned = {process.pid for process in _own_descendants()} - set(ignored) | {os.getpid()}
    for pid in sorted(owned):
        sockets = _sockets_of(pid)
        for name in ("tcp", "tcp6") if sockets else ():
            yield from (
                f"{address} of process {pid}" for address in _listening(PROC / str(pid) / "net" / name, sockets)
            )


def _sockets_of(pid: int) -> set[str]:
    """Return the inodes of the sockets that a process holds."""
    targets = []
    with suppress(OSError):  # the process has ended
        for link in (PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):  # the descriptor is closed
                targets.append(str(link.readlink()))
    return {target[len(_SOCKET) : -1] for target in targets if target.startswith(_SOCKET)}


def _listening(table: Path, sockets: set[str]) -> Iterator[str]:
    """Read /proc/PID/net/tcp (proc_pid_net(5)): local address, state and inode are fields 2, 4 and 10."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:  # the process has ended
        return
    for fields in map(str.split, lines):
        if fields[3] == _LISTEN and fields[9] in sockets:
            yield f"{int(fields[1].rpartition(':')[2], 16)}"
