"""The state directory: everything that one cluster writes, and the only thing needed to stop it."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.locks import HeldLock, holder_of, take_lock
from tests.environment.cluster.process import Record, recorded

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Summary:
    """Facts that a later `attach` or `down` needs; empty strings until the cluster is ready."""

    tier: str
    ends_with_its_run: bool = False
    server: str = ""
    kubectl: str = ""


@dataclass(frozen=True)
class State:
    """The layout of a state directory."""

    folder: Path

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    @property
    def processes(self) -> Path:
        return self.folder / "processes"

    @property
    def etcd(self) -> Path:
        return self.folder / "etcd"

    @property
    def node(self) -> Path:
        return self.folder / "node"

    @property
    def users(self) -> Path:
        return self.folder / "users"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def docker_socket(self) -> Path:
        """Socket of the private Docker engine, where there is one."""
        return self.folder / "docker.sock"

    @property
    def audit_log(self) -> Path:
        return self.logs / "audit.log"

    @property
    def _marker(self) -> Path:
        return self.folder / "cluster.json"

    @property
    def _lock(self) -> Path:
        return self.folder / "lock"

    def locked(self) -> HeldLock:
        """Take the directory's lock; raise ClusterError where another process has it: two runs destroy each other."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = take_lock(self._lock)
        if held is None:
            who = f"process {holder_of(self._lock) or '?'}"
            raise ClusterError(f"{who} uses the cluster in {self.folder}: end it or take another directory.")
        return held

    def create(self, tier: str, *, ends_with_its_run: bool = False) -> None:
        """Lay out a fresh directory; raise ClusterError where it holds something that is not a cluster."""
        if self.summary() is None and not self.is_unused():
            raise ClusterError(f"{self.folder} holds something that is not a cluster's state; give an empty directory.")
        self.clear()
        self.folder.chmod(0o700)
        self.write_summary(Summary(tier, ends_with_its_run))
        for folder in (self.pki, self.logs, self.processes, self.etcd, self.node, self.users):
            folder.mkdir()

    def is_unused(self) -> bool:
        """Return True if the directory contains nothing but the lock."""
        return all(path == self._lock for path in self.folder.iterdir())

    def summary(self) -> Summary | None:
        """Return what the directory says about its cluster, or None where there never was one."""
        return Summary(**json.loads(self._marker.read_text())) if self._marker.exists() else None

    def write_summary(self, summary: Summary) -> None:
        """Replace the summary in one step."""
        draft = self.folder / "cluster.json.new"
        draft.write_text(json.dumps(asdict(summary)))
        draft.replace(self._marker)

    def alive(self) -> list[Record]:
        """Return the cluster's processes that run."""
        return [record for record in recorded(self.processes) if record.is_alive()]

    def clear(self) -> None:
        """Remove what a cluster wrote, the marker last, and nothing else: other files are the user's."""
        for folder in (self.pki, self.processes, self.etcd, self.node, self.users, self.logs):
            if folder.exists():
                shutil.rmtree(folder)
        for path in (self.docker_socket, self.kubeconfig, self._marker):
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the directory too, where nothing else is in it."""
        self.clear()
        self._lock.unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()
