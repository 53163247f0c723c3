"""The node's own mount, network and process namespaces.

One process holds them; it is process 1 inside, so the kernel ends everything inside with it, and with the last
process the network namespace, its interfaces and the mounts are gone. Nothing has to be undone on the host.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.process import Record, started_at
from tests.environment.cluster.wait import wait_until

if TYPE_CHECKING:
    from tests.environment.cluster.process import Processes
    from tests.environment.cluster.state import State

HOLDER = "holder"


@dataclass(frozen=True)
class Namespaces:
    """Namespaces that a process of the host's number `holder` keeps, and which of them commands enter."""

    holder: int
    entered: tuple[str, ...] = ("mount", "net", "pid")

    @property
    def enter(self) -> tuple[str, ...]:
        """The start of a command line that runs inside; the working directory is lost on the way."""
        return ("nsenter", f"--target={self.holder}", *(f"--{kind}" for kind in self.entered), "--")

    @property
    def network(self) -> Namespaces:
        """Only the network namespace: files and processes are the host's."""
        return replace(self, entered=("net",))

    def path(self, inside: str) -> Path:
        """Return where the host sees a file of the mount namespace."""
        return Path(f"/proc/{self.holder}/root") / inside.lstrip("/")

    def run(self, *command: str | Path) -> str:
        """Run a command inside; raise ClusterError with its words when it fails."""
        return checked(*self.enter, *command)

    def write(self, path: str, content: bytes) -> None:
        """Write a file of the mount namespace, and the directories above it."""
        self.run("mkdir", "-p", str(Path(path).parent))
        self.path(path).write_bytes(content)


def create(state: State, processes: Processes, pause: Path) -> Namespaces:
    """Create namespaces that end with the process that is recorded first."""
    flags = ("--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL", "--propagation=private")
    outer = processes.start("namespaces", ["unshare", *flags, pause])
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    processes.wait(lambda: _runs(children, pause), name="namespaces", seconds=10)
    holder = int(children.read_text())
    record = Record(HOLDER, holder, started_at(holder) or "")
    _record_of(state).write_text(json.dumps(asdict(record)))
    return Namespaces(holder)


def existing(state: State) -> Namespaces | None:
    """Return the namespaces of a running node, or None."""
    path = _record_of(state)
    if not path.exists():
        return None
    record = Record(**json.loads(path.read_text()))
    return Namespaces(record.pid) if record.is_alive() else None


def checked(*command: str | Path) -> str:
    """Run a short command; return its output, or raise ClusterError with its words."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode:
        words = " ".join(str(part) for part in command)
        raise ClusterError(f"`{words}` failed: {(result.stderr or result.stdout).strip()}")
    return result.stdout


def wait_for_end(holder: Namespaces) -> None:
    """Return when the holder is gone, and everything inside with it."""
    wait_until(lambda: started_at(holder.holder) is None, seconds=20, what="the node's processes to end")


def _runs(children: Path, pause: Path) -> bool:
    """Return True if the child is already the program: until then its /proc is the host's."""
    pids = children.read_text().split()
    return bool(pids) and Path(f"/proc/{pids[0]}/exe").resolve() == pause.resolve()


def _record_of(state: State) -> Path:
    return state.processes / f"{HOLDER}.json"
