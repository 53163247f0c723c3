"""Servers for the pods of a cluster, such as model stores and a registry: where they run, and their address.

On the node tier they run inside the node and end with it. On the kind tier they run outside the nodes, in the network
of the Docker engine, at the address that is the nodes' gateway.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from tests.environment.cluster import kind, kind_node, namespaces
from tests.environment.cluster.build import programs
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.model import Tier
from tests.environment.cluster.process import Processes
from tests.environment.cluster.programs import Program
from tests.environment.cluster.state import State

if TYPE_CHECKING:
    from tests.environment.cluster.model import Cluster
    from tests.environment.cluster.namespaces import Namespaces


class Node(Protocol):
    """A node, as far as a registry needs it."""

    def run(self, *command: str | Path) -> str:
        """Run a command in the node."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Write a file of the node."""
        ...


@dataclass(frozen=True)
class ServerPlace:
    """The place of the servers of one cluster."""

    state: State
    address: str
    inside: Namespaces | None
    """Namespaces in which servers run; None: those of this process."""
    nodes: tuple[Node, ...]
    ctr: str | Path
    """containerd's client, as a node finds it."""
    registries: str
    """Directory of each node from which containerd reads the settings of registries."""

    @property
    def processes(self) -> Processes:
        """Starts servers; they end with the cluster, and with this process."""
        processes = Processes(self.state.processes, self.state.logs, dies_with_us=True)
        return processes if self.inside is None else processes.entering(self.inside.enter)

    def sockets(self) -> str:
        """Return the table of the TCP sockets there (proc_pid_net(5))."""
        return Path("/proc/net/tcp").read_text() if self.inside is None else self.inside.run("cat", "/proc/net/tcp")


def node_of(cluster: Cluster, *, what: str) -> Namespaces:
    """Return the namespaces of a node that is built here; raise ClusterError, about `what`, for other clusters."""
    if cluster.tier is not Tier.NODE or cluster.state is None:
        raise ClusterError(f"{what} is started only inside a node that is built here: unset CLUSTER.")
    node = namespaces.existing(State(cluster.state))
    if node is None:
        raise ClusterError("The node is no longer running.")
    return node


def server_place(cluster: Cluster, *, what: str) -> ServerPlace:
    """Return where servers run for a cluster; raise ClusterError, about `what`, where pods would not reach them."""
    if cluster.tier is Tier.KIND and cluster.state is not None:
        return _beside(State(cluster.state), what)
    node = node_of(cluster, what=what)
    ctr = programs([Program.CTR])[Program.CTR]
    address = urlsplit(cluster.server).hostname or ""
    return ServerPlace(State(cluster.state or Path()), address, node, (node,), ctr, "/run/containerd/certs.d")


def _beside(state: State, what: str) -> ServerPlace:
    engine = namespaces.existing(state)
    if engine is None and sys.platform != "linux":
        raise ClusterError(
            f"{what} is started next to kind's nodes only on Linux: elsewhere they are in another machine."
        )
    network = None if engine is None else engine.network
    return ServerPlace(state, kind.gateway(state), network, kind.nodes(state), "ctr", kind_node.REGISTRIES)
