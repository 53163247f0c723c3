"""Start the processes of a cluster or a store so that each can be found and ended later, by any process.

Every process leads a separate session and has a record in the state directory before its program starts: its number
and its start time, which together identify it. To end it is to end its session, with every process that it has
started. On Linux a process of a test run also asks the kernel to be killed with the run.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.environment.cluster.errors import ClusterError, DeadlineError, PortTakenError
from tests.environment.cluster.wait import wait_until
from tests.environment.processes import PROC, descendants_of, read_process, running_processes, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

PR_SET_PDEATHSIG = 1
END_TIMEOUT = 20
LOG_LINES = 15
# Children of this process stay zombies until it waits for them.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Record:
    """The identity of a process: only its number could belong to a later process."""

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
        """Raise ClusterError if one of the processes has ended unexpectedly."""
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
    """Return the variables a component gets: the user's others (proxies, ETCD_*, KUBECONFIG) would change it.

    GOGC lets heaps of Go programs grow further before a collection: a cluster of the tests is short-lived, and memory
    costs it less than CPU time.
    """
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}
    return {"GOGC": "200"} | kept


def recorded(records: Path) -> list[Record]:
    """Return the processes whose records are in a directory, running or not."""
    return [Record(**json.loads(path.read_text())) for path in sorted(records.glob("*.json")) if path.stat().st_size]


def kill(records: list[Record]) -> None:
    """End processes and all that they have started, and wait until they have ended; no orderly stop is needed."""
    running = _all_of(records)
    for record in running:
        with suppress(ProcessLookupError):
            os.kill(record.pid, signal.SIGKILL)
    for record in running:
        wait_until(record.has_ended, seconds=END_TIMEOUT, what=f"{record.name} (process {record.pid}) to end")
    for record in records:
        child = _children.pop(record.pid, None)
        if child is not None:
            child.wait()


def _all_of(records: list[Record]) -> set[Record]:
    """Return the processes of the records that run, and those of their sessions, also of leaders that have ended."""
    leaders = {record for record in records if record.is_alive()}
    if not PROC.exists():
        return leaders
    table = running_processes()
    known = {record.pid for record in leaders}
    members = [process for record in records for process in session_of(record.pid, record.started, table)]
    others = {process.pid: process for process in (*members, *descendants_of(known, table)) if process.pid not in known}
    return leaders | {Record(process.name, process.pid, process.started) for process in others.values()}


def started_at(pid: int) -> str | None:
    """Return the start time of a process as the system reports it, or None if it does not run."""
    if PROC.exists():
        found = read_process(pid)
        return None if found is None else found.started
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
