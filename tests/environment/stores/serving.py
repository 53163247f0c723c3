"""Servers as processes: started on a free port, awaited, and ended."""

from __future__ import annotations

import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.environment.cluster.network import is_listening
from tests.environment.cluster.process import Processes, kill, recorded
from tests.environment.cluster.servers import server_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.environment.cluster.model import Cluster
    from tests.environment.cluster.namespaces import Namespaces

LOOPBACK = "127.0.0.1"
_START_TIMEOUT = 60.0


@dataclass(frozen=True)
class Place:
    """Place where servers run: this machine, or the inside of a node."""

    folder: Path
    processes: Processes
    host: str = LOOPBACK
    inside: Namespaces | None = None

    def port(self) -> int:
        """Return a free port; the node has its own ports, of which any will do."""
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        return port

    def listens(self, port: int) -> bool:
        """Return True if a process listens on the port."""
        table = Path("/proc/net/tcp").read_text() if self.inside is None else self.inside.run("cat", "/proc/net/tcp")
        return is_listening(table, port)

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        ready: Callable[[], object],
        environment: Mapping[str, str] | None = None,
        seconds: float = _START_TIMEOUT,
    ) -> None:
        """Start a server and wait until it is ready."""
        self.processes.start(name, command, environment=environment)
        self.processes.wait(ready, name=name, seconds=seconds)


@dataclass(frozen=True)
class Store:
    """A running store, with the environment variables of a loader that reads it."""

    url: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def but(self, **changes: str | None) -> dict[str, str]:
        """The environment with some variables changed, or without those that are None."""
        merged: dict[str, str | None] = {**self.environment, **changes}
        return {name: value for name, value in merged.items() if value is not None}


@contextmanager
def here() -> Iterator[Place]:
    """A place on this machine; what runs there ends with it."""
    with tempfile.TemporaryDirectory(prefix="stores-") as name:
        folder = Path(name)
        for part in ("records", "logs"):
            (folder / part).mkdir()
        try:
            yield Place(folder, Processes(folder / "records", folder / "logs", dies_with_us=True))
        finally:
            kill(recorded(folder / "records"))


def in_node(cluster: Cluster) -> Place:
    """A place where the pods of a cluster that is built here reach the servers; it ends with the cluster."""
    found = server_place(cluster, what="A store for pods")
    return Place(found.state.folder, found.processes, found.address, found.inside)


def answers(url: str, *, below: int = 500) -> Callable[[], bool]:
    """Return a condition: a server answers HTTP requests at `url`."""

    def asked() -> bool:
        try:
            return httpx.get(url, timeout=2.0, trust_env=False).status_code < below
        except httpx.TransportError:
            return False

    return asked


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put files into a directory."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
