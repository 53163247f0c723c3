"""The control-plane tier: a real API server whose nodes and pods are played by kwok."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.environment.cluster.build import programs
from tests.environment.cluster.control_plane import (
    CONFIG,
    POD_RANGE,
    START_TIMEOUT,
    ControlPlane,
    client_config,
    loopback_addresses,
    write_client,
    write_credentials,
)
from tests.environment.cluster.errors import PortTakenError
from tests.environment.cluster.model import Cluster, Options, Tier
from tests.environment.cluster.process import Processes, kill, recorded
from tests.environment.cluster.programs import CONTROL_PLANE_PROGRAMS, SIMULATED_NODE_PROGRAMS, Program
from tests.environment.cluster.progress import say

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.environment.cluster.state import State

NODES = 2
ATTEMPTS = 3
PROGRAMS = (*CONTROL_PLANE_PROGRAMS, *SIMULATED_NODE_PROGRAMS)


def launch(state: State, options: Options) -> Cluster:
    """Start the tier in a state directory and return when pods can be scheduled.

    Between choosing a free port and listening on it another process may take it: then all starts again.
    """
    binaries = programs(PROGRAMS, kubernetes=options.kubernetes)
    for _ in range(ATTEMPTS - 1):
        try:
            return _launch_once(state, options, binaries)
        except PortTakenError as error:
            if options.port is not None:
                raise
            say(f"A free port was taken in the meantime, starting again: {error}")
            teardown(state)
            state.create(Tier.CONTROL_PLANE, ends_with_its_run=options.dies_with_us)
    return _launch_once(state, options, binaries)


def teardown(state: State) -> None:
    """End what runs for a state directory."""
    kill(recorded(state.processes))


def _launch_once(state: State, options: Options, binaries: Mapping[Program, Path]) -> Cluster:
    addresses = loopback_addresses(options.port)
    authority = write_credentials(state, addresses)
    write_client(state, authority, addresses.server, "kwok", user="kwok", groups=("system:masters",))
    processes = Processes(state.processes, state.logs, options.dies_with_us)
    plane = ControlPlane(state, processes, binaries, addresses, options)
    # The address is this machine's own: it must not become the endpoint that pods use.
    plane.start_store_and_server("--endpoint-reconciler-type=none")
    plane.wait_for_server()
    plane.start_controllers()
    cluster = Cluster(
        tier=Tier.CONTROL_PLANE,
        kubeconfig=state.kubeconfig,
        kubectl=binaries[Program.KUBECTL],
        server=addresses.server,
        state=state.folder,
        audit_log=state.audit_log,
    )
    _start_nodes(state, options, binaries[Program.KWOK], processes, cluster)
    plane.wait_for_default_account(cluster)
    return cluster


def _start_nodes(state: State, options: Options, kwok: Path, processes: Processes, cluster: Cluster) -> None:
    flags = (
        f"--kubeconfig={client_config(state, 'kwok')}",
        f"--config={CONFIG}/simulated-stages.yaml",
        "--manage-all-nodes=true",
        f"--cidr={POD_RANGE}",
        "--node-lease-duration-seconds=40",
    )
    processes.start(Program.KWOK, [kwok, *flags, *options.flags_of(Program.KWOK)])
    nodes = {"apiVersion": "v1", "kind": "List", "items": [simulated_node(number) for number in range(1, NODES + 1)]}
    cluster.run_kubectl("create", "-f", "-", stdin=json.dumps(nodes))
    processes.wait(lambda: all_nodes_ready(cluster), name=Program.KWOK, seconds=START_TIMEOUT)


def simulated_node(number: int) -> dict[str, Any]:
    """Return a node with room for any test: it runs nothing."""
    name = f"simulated-{number}"
    room = {"cpu": "1000", "memory": "4Ti", "ephemeral-storage": "4Ti", "pods": "10000"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        "status": {
            "capacity": room,
            "allocatable": room,
            "addresses": [
                {"type": "InternalIP", "address": f"198.19.255.{100 + number}"},
                {"type": "Hostname", "address": name},
            ],
        },
    }


def all_nodes_ready(cluster: Cluster) -> bool:
    """Return True if every node is ready and free of the taint of new nodes."""
    nodes = (cluster.read("nodes") or {"items": []})["items"]
    return bool(nodes) and all(_is_ready(node) for node in nodes)


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = {entry["type"]: entry["status"] for entry in node["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and not node["spec"].get("taints")
