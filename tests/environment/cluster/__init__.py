"""Real Kubernetes for the tests and the demo, built from package registries at one pinned version.

    with cluster.start(Tier.CONTROL_PLANE) as running:
        running.run_kubectl("get", "nodes")

Nothing here leaves the machine: servers bind to 127.0.0.1 or inside the node's own network namespace.
"""

from tests.environment.cluster.errors import ClusterError, PortTakenError
from tests.environment.cluster.lifecycle import attach, build, default_state, default_tier, down, start, sweep, up
from tests.environment.cluster.model import Cluster, Tier

__all__ = [
    "Cluster",
    "ClusterError",
    "PortTakenError",
    "Tier",
    "attach",
    "build",
    "default_state",
    "default_tier",
    "down",
    "start",
    "sweep",
    "up",
]
