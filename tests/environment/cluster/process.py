"""Starts the processes of a cluster so that each can be found and ended later, whoever died in between.

Every process leads a session of its own and leaves a record in the state folder before its program starts: its
number and the moment it started, which together name one process for good. On Linux a process of a test run also
asks the kernel to be killed with the run.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.environment.cluster.errors import ClusterError, DeadlineError, PortTakenError
from tests.environment.cluster.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PR_SET_PDEATHSIG = 1
PROC = Path("/proc/self")  # Linux only
LOG_LINES = 15
# Children of this very process stay zombies until it asks for them.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Record:
    """What names a process for good: its number alone may be given to another one."""

    name: str
    pid: int
    started: str

    def is_alive(self) -> bool:
        child = _children.get(self.pid)
        if child is not None and child.poll() is not None:
            return False
        return started_at(self.pid) == self.started

    def has_ended(self) -> bool:
        return not self.is_alive()


@dataclass(frozen=True)
class Processes:
    """The processes of one cluster: starts them, watches them, names the log of the one that failed."""

    records: Path
    logs: Path
    dies_with_us: bool
    inside: tuple[str, ...] = ()
    _watched: list[Record] = field(default_factory=list)

    def entering(self, inside: tuple[str, ...]) -> Processes:
        """Return the same processes, where further ones start with the command line `inside`."""
        return replace(self, inside=inside)

    def start(
        self, name: str, command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None
    ) -> Record:
        """Start a long-running program; its output goes to `<logs>/<name>.log`."""
        with (self.logs / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                [*self.inside, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**_environment(), **(environment or {})},
                start_new_session=True,
                preexec_fn=_leave_record(self.records / f"{name}.json", name, self.dies_with_us),  # noqa: PLW1509
            )
        _children[child.pid] = child
        record = Record(name, child.pid, started_at(child.pid) or "")
        self._watched.append(record)
        return record

    def wait(self, condition: Callable[[], object], *, name: str, seconds: float) -> None:
        """Wait until `condition` holds; raise ClusterError with the log of `name`, or of one that has ended."""

        def holds() -> object:
            self.check()
            return condition()

        try:
            wait_until(holds, seconds=seconds, what=f"{name} to be ready")
        except DeadlineError as error:
            raise ClusterError(f"{error}\n{self._log_of(name)}") from None

    def check(self) -> None:
        """Raise ClusterError when one of the processes has ended by itself."""
        for record in self._watched:
            if not record.is_alive():
                text = self._log_of(record.name)
                kind = PortTakenError if "address already in use" in text.lower() else ClusterError
                raise kind(f"{record.name} has ended.\n{text}")

    def _log_of(self, name: str) -> str:
        path = self.logs / f"{name}.log"
        if not path.exists():
            return f"Logs are in {self.logs}."
        return f"{path} ends with:\n" + "\n".join(path.read_text(errors="replace").splitlines()[-LOG_LINES:])


def _environment() -> dict[str, str]:
    """Return the variables a component gets: the user's others (proxies, ETCD_*, KUBECONFIG) would change it."""
    return {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}


def recorded(records: Path) -> list[Record]:
    """Return the processes whose records lie in a folder, alive or not."""
    return [Record(**json.loads(path.read_text())) for path in sorted(records.glob("*.json")) if path.stat().st_size]


def kill(records: list[Record]) -> None:
    """End processes at once and wait until they are gone; nothing here is worth an orderly stop."""
    for record in records:
        if record.is_alive():
            os.kill(record.pid, signal.SIGKILL)
    for record in records:
        wait_until(record.has_ended, seconds=20, what=f"{record.name} (process {record.pid}) to end")
        child = _children.pop(record.pid, None)
        if child is not None:
            child.wait()


def started_at(pid: int) -> str | None:
    """Return the moment a process started in the system's own words, or None where it does not run."""
    if PROC.exists():
        try:
            # The name in parentheses may hold blanks; start time is the 22nd field, the state the third.
            fields = (PROC.parent / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    listing = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    return None if not listing or listing[0].startswith("Z") else listing[1].strip()


def _leave_record(path: Path, name: str, dies_with_us: bool) -> Callable[[], None]:  # noqa: FBT001
    """Return what the child does between fork and exec: no moment is left in which it runs unrecorded."""
    parent = os.getpid()
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def prepare() -> None:
        if dies_with_us and libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
        path.write_text(json.dumps({"name": name, "pid": os.getpid(), "started": started_at(os.getpid())}))

    return prepare
