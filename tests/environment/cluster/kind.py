"""The kind tier: a node in a Docker container, for machines that run Docker."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from typing import TYPE_CHECKING

from tests.environment.cluster import cgroups
from tests.environment.cluster.build import goarch, programs
from tests.environment.cluster.control_plane import CONFIG
from tests.environment.cluster.directories import cache_directory
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.model import Cluster, Options, Tier
from tests.environment.cluster.oci import write_archive
from tests.environment.cluster.process import kill, recorded
from tests.environment.cluster.programs import Program, source_of
from tests.environment.cluster.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.environment.cluster.state import State

METRICS_IMAGE = "modelservice.test/metrics-server:1"  # config/kind-metrics-server.yaml names it too
START_TIMEOUT = 300


def build() -> Path:
    """Build what the tier needs; return kind."""
    programs([Program.KUBECTL])
    programs([Program.METRICS_SERVER], goos="linux")
    return programs([Program.KIND])[Program.KIND]


def launch(state: State, options: Options) -> Cluster:
    """Create a cluster in Docker; return when it is ready and serves metrics."""
    if options.flags or options.port is not None:
        raise ClusterError("A kind cluster takes no flags or port here.")
    kind = build()
    _kind(kind, state, "create", "cluster", f"--kubeconfig={state.kubeconfig}", f"--wait={START_TIMEOUT}s")
    kubectl = programs([Program.KUBECTL])[Program.KUBECTL]
    draft = Cluster(Tier.KIND, state.kubeconfig, kubectl, "", state.folder, None)
    server = draft.run_kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
    cluster = Cluster(Tier.KIND, state.kubeconfig, kubectl, server, state.folder, None)
    _serve_metrics(cluster, state)
    return cluster


def teardown(state: State) -> None:
    """Delete the cluster, if it was ever created, and end a private Docker engine of this state directory."""
    if state.kubeconfig.exists() or is_running(state):
        _kind(programs([Program.KIND])[Program.KIND], state, "delete", "cluster", f"--kubeconfig={state.kubeconfig}")
    if processes := recorded(state.processes):
        kill(processes)
        cgroups.remove(cgroups.name_of(state.folder))


def is_running(state: State) -> bool:
    """Return True if Docker runs the cluster's node."""
    label = f"label=io.x-k8s.kind.cluster={_name(state)}"
    try:
        listing = subprocess.run(
            ["docker", "ps", "--quiet", "--filter", label], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return False
    return bool(listing.stdout.strip())


def load(state: State, archive: Path) -> None:
    """Bring an OCI archive's image to the node."""
    _kind(programs([Program.KIND])[Program.KIND], state, "load", "image-archive", str(archive))


def _serve_metrics(cluster: Cluster, state: State) -> None:
    """Run the metrics-server that is built here, so that autoscaling works without a registry."""
    program = programs([Program.METRICS_SERVER], goos="linux")[Program.METRICS_SERVER]
    archive = cache_directory() / f"metrics-server-{source_of(Program.METRICS_SERVER).version}.tar"
    files = {"metrics-server": program.read_bytes()}
    write_archive(archive, METRICS_IMAGE, files, entrypoint=("/metrics-server",), architecture=goarch())
    load(state, archive)
    cluster.run_kubectl("create", "-f", f"{CONFIG}/kind-metrics-server.yaml")
    query = ("get", "--raw", "/apis/metrics.k8s.io/v1beta1")
    wait_until(lambda: cluster.run_kubectl(*query, check=False), seconds=START_TIMEOUT, what="metrics-server to answer")


def _kind(kind: Path, state: State, *arguments: str) -> None:
    log = state.logs / "kind.log"
    with log.open("ab") as output:
        command: list[str | Path] = [kind, *arguments, f"--name={_name(state)}"]
        result = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if result.returncode:
        words = log.read_text(errors="replace").splitlines()[-5:]
        raise ClusterError(f"kind {' '.join(arguments[:2])} failed; {log} ends with:\n" + "\n".join(words))


def _name(state: State) -> str:
    return f"modelservice-{sha256(str(state.folder).encode()).hexdigest()[:10]}"
