"""A copy of etcd's directory, taken while the control plane runs, and its restore: every component starts again."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.environment.cluster import Cluster, ClusterError
from tests.environment.cluster.process import Processes, Record, kill, recorded
from tests.environment.cluster.programs import Program
from tests.environment.cluster.state import State
from tests.environment.cluster.wait import wait_until

START_TIMEOUT = 90.0
FIRST = (Program.ETCD, Program.APISERVER)
"""The others give up where no API server answers."""


@dataclass(frozen=True)
class EtcdBackup:
    """The content of etcd at one time."""

    cluster: Cluster
    copy: Path

    @classmethod
    def take(cls, cluster: Cluster, copy: Path) -> "EtcdBackup":
        """Copy the directory of etcd, which stands still for that time: its log is complete at any moment."""
        backup = cls(cluster, copy)
        with paused(backup._records()[Program.ETCD]):
            shutil.copytree(backup._state.etcd, copy)
        return backup

    def restore(self) -> None:
        """Replace the content of etcd, as the documentation of Kubernetes describes it: all components start again.

        Versions of objects begin again below those that clients have seen.
        """
        records = self._records()
        commands = {name: command_of(record) for name, record in records.items()}
        kill(list(records.values()))
        shutil.rmtree(self._state.etcd)
        shutil.copytree(self.copy, self._state.etcd)
        processes = Processes(self._state.processes, self._state.logs, dies_with_us=True)
        for first in FIRST:
            processes.start(first, commands[first])
        wait_until(self._is_ready, seconds=START_TIMEOUT, what="the API server on the restored etcd")
        for name in sorted(commands.keys() - set(FIRST)):
            processes.start(name, commands[name])
        self.cluster.close()  # its connections ended with the API server

    @property
    def _state(self) -> State:
        assert self.cluster.state is not None
        return State(self.cluster.state)

    def _records(self) -> dict[str, Record]:
        return {record.name: record for record in recorded(self._state.processes) if record.is_alive()}

    def _is_ready(self) -> bool:
        try:
            return self.cluster.run_kubectl("get", "--raw", "/readyz") == "ok"
        except ClusterError:
            return False


@contextmanager
def paused(record: Record) -> Iterator[None]:
    """Stop a process for the length of a `with` block."""
    os.kill(record.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(record.pid, signal.SIGCONT)


def command_of(record: Record) -> list[str]:
    """Return the command line of a process that runs."""
    return Path(f"/proc/{record.pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
