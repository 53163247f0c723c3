"""The kind tier: two nodes in Docker containers, made by kind itself.

Where the user's machine runs Docker, kind uses that one and its default node image. Otherwise a private engine is
started (tests/environment/engine), with a node image that is assembled here: then no registry is needed.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tests.environment.cluster import cgroups, kind_node, network
from tests.environment.cluster.build import goarch, programs
from tests.environment.cluster.control_plane import CONFIG
from tests.environment.cluster.directories import cache_directory, temporary_directory
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.locks import waiting_lock
from tests.environment.cluster.model import Cluster, Options, Tier
from tests.environment.cluster.oci import write_archive
from tests.environment.cluster.process import Processes, kill, recorded
from tests.environment.cluster.programs import KIND_PROGRAMS, Program, source_of
from tests.environment.cluster.wait import wait_until
from tests.environment.engine import docker as docker_client
from tests.environment.engine import engine, roots

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.environment.cluster.network import Plan
    from tests.environment.cluster.state import State

METRICS_IMAGE = "modelservice.test/metrics-server:1"  # config/kind-metrics-server.yaml names it too
START_TIMEOUT = 300
NETWORK = "kind"
ROLES = ("control-plane", "worker")
# Requests of kubeadm's pods, which would leave too little of two processors.
SMALL_PODS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
AUTOSCALER_FLAGS = {
    "horizontal-pod-autoscaler-sync-period": "5s",
    "horizontal-pod-autoscaler-initial-readiness-delay": "5s",
    "horizontal-pod-autoscaler-cpu-initialization-period": "10s",
    "horizontal-pod-autoscaler-downscale-stabilization": "15s",
}


def missing_support() -> str:
    """Return a sentence about what keeps this tier from running here; empty if nothing does."""
    return "" if docker_client.docker_runs() else engine.missing_support()


def build() -> Path:
    """Build what the tier needs; return kind."""
    programs([Program.KUBECTL])
    programs([Program.METRICS_SERVER], goos="linux")
    if not docker_client.docker_runs():
        if reason := engine.missing_support():
            raise ClusterError(f"{reason} Start Docker, or use another tier.")
        engine.build()
        _ = roots.NODE.archive
        programs(KIND_PROGRAMS)
    return programs([Program.KIND])[Program.KIND]


def launch(state: State, options: Options) -> Cluster:
    """Create a cluster in Docker; return when it is ready and serves metrics."""
    if options.flags or options.port is not None:
        raise ClusterError("A kind cluster takes no flags or port here.")
    kind = build()
    plan = None if docker_client.docker_runs() else _start_engine(state, options)
    docker = docker_of(state)
    image = "" if plan is None else kind_node.ensure(docker)
    file = state.node / "kind.json"
    _write_patches(state.node / "patches")
    # JSON is YAML too.
    file.write_text(json.dumps(configuration(state.folder, plan, image), indent=1))
    paths = (f"--config={file}", f"--kubeconfig={state.kubeconfig}")
    _kind(kind, state, "create", "cluster", *paths, f"--wait={START_TIMEOUT}s")
    cluster = _cluster(state)
    if plan is not None:
        _route(cluster, state, plan)
    _serve_metrics(cluster, state)
    return cluster


def teardown(state: State) -> None:
    """Delete the cluster, if it was ever created, and end the engine that was started for it."""
    if state.kubeconfig.exists() and is_running(state):
        _kind(programs([Program.KIND])[Program.KIND], state, "delete", "cluster", f"--kubeconfig={state.kubeconfig}")
    if recorded(state.processes):
        kill(recorded(state.processes))
        network.disconnect(state.folder)
        cgroups.remove(cgroups.name_of(state.folder))


def is_running(state: State) -> bool:
    """Return True if Docker runs a node of the cluster."""
    label = f"label=io.x-k8s.kind.cluster={_name(state)}"
    try:
        listing = docker_of(state).start("ps", "--quiet", "--filter", label)
    except FileNotFoundError:
        return False
    return bool(listing.stdout.strip())


def load(state: State, archive: Path) -> None:
    """Bring an OCI archive's image to the nodes."""
    for node in nodes(state):
        with archive.open("rb") as content:
            words = ("ctr", "--namespace=k8s.io", "images", "import", "--all-platforms", "--digests", "-")
            node.feed(content, *words)


def docker_of(state: State) -> docker_client.Docker:
    """Return the client of the engine in which the nodes run."""
    own = engine.existing(state)
    return docker_client.Docker() if own is None else own.docker


def nodes(state: State) -> tuple[docker_client.Container, ...]:
    """Return the nodes, the control plane first."""
    docker = docker_of(state)
    return tuple(docker_client.Container(docker, f"{_name(state)}-{role}") for role in ROLES)


def gateway(state: State) -> str:
    """Return the address at which pods reach servers outside the nodes."""
    template = "{{(index .IPAM.Config 0).Gateway}}"
    return docker_of(state).run("network", "inspect", NETWORK, f"--format={template}").strip()


def configuration(state: Path, plan: Plan | None, image: str) -> dict[str, Any]:
    """Return kind's configuration; without a plan for kind's own image and networks."""
    extra: dict[str, Any] = {"image": image} if image else {}
    mount = {"hostPath": str(state), "containerPath": str(state)}
    cluster: dict[str, Any] = {
        "kind": "ClusterConfiguration",
        "controllerManager": {"extraArgs": _flags(AUTOSCALER_FLAGS)},
    }
    if image:
        etcd = {"imageTag": kind_node.etcd_version(), "extraArgs": _flags({"unsafe-no-fsync": "true"})}
        cluster |= {
            "imageRepository": kind_node.REPOSITORY,
            "etcd": {"local": etcd},
            "dns": {"imageTag": kind_node.dns_version()},
        }
    registration = {"kubeletExtraArgs": _flags({"housekeeping-interval": "2s"}), "taints": []}
    joined = {"patches": {"directory": f"{state}/node/patches"}, "nodeRegistration": registration}
    kubelet = {
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        # An image that is pulled with a password may be the one that was brought here without (KEP-2535).
        "imagePullCredentialsVerificationPolicy": "NeverVerify",
        "serializeImagePulls": False,
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
    }
    patches = (cluster, {"kind": "InitConfiguration", **joined}, {"kind": "JoinConfiguration", **joined}, kubelet)
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {} if plan is None else _networking(plan),
        "nodes": [{"role": role, "extraMounts": [mount], **extra} for role in ROLES],
        "kubeadmConfigPatches": [json.dumps(patch) for patch in patches],
    }


def _networking(plan: Plan) -> dict[str, Any]:
    return {
        "ipFamily": "ipv4",
        "apiServerAddress": plan.node,
        "podSubnet": plan.pods,
        "serviceSubnet": plan.services,
        # containerd writes the CNI configuration itself (config/kind-node/kind/cni.template).
        "disableDefaultCNI": True,
        "kubeProxyMode": "nftables",
    }


def _flags(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _write_patches(folder: Path) -> None:
    """Write kubeadm's patches: small requests, and one replica of the DNS."""
    folder.mkdir()
    resources = {"requests": {"cpu": "10m"}}
    for name in SMALL_PODS:
        patch: dict[str, Any] = {"spec": {"containers": [{"name": name, "resources": resources}]}}
        (folder / f"{name}+strategic.json").write_text(json.dumps(patch))
    pod = {"spec": {"containers": [{"name": "coredns", "resources": resources}]}}
    deployment = {"spec": {"replicas": 1, "template": pod}}
    (folder / "corednsdeployment+strategic.json").write_text(json.dumps(deployment))


def _start_engine(state: State, options: Options) -> Plan:
    """Start the private engine, joined to the host by a cable; return its addresses."""
    processes = Processes(state.processes, state.logs, options.dies_with_us)
    with waiting_lock(temporary_directory() / "network.lock", when_busy=lambda: None):
        plan = network.free_plan()
        choices = engine.Choices(plan, (cache_directory() / "bin",), keeps_images=True)
        running = engine.launch(state, processes, choices)
        reached = (plan.pods, plan.services, plan.containers)
        network.connect(running.spaces, state.folder, plan, reached=reached)
    running.spaces.run("iptables", "--insert", "DOCKER-USER", "--in-interface", network.CABLE, "--jump", "ACCEPT")
    # Without it kind asks for a network with IPv6 first.
    running.docker.run("network", "create", "--driver=bridge", NETWORK)
    _refuse_foreign_names(state, processes.entering(running.spaces.enter), plan)
    return plan


def _refuse_foreign_names(state: State, inside: Processes, plan: Plan) -> None:
    """Answer every DNS query of the nodes with NXDOMAIN: without an answer each would wait for its time-out."""
    address = engine.gateway_of(plan)
    file = state.node / "Corefile"
    file.write_text(f".:53 {{\n bind {address}\n template ANY ANY {{\n  rcode NXDOMAIN\n }}\n}}\n")
    inside.start("resolver", [programs([Program.COREDNS])[Program.COREDNS], "-conf", file])


@dataclass(frozen=True)
class _Place:
    """A node's range of pods, and its address in the network of the containers."""

    node: docker_client.Container
    pods: str
    address: str


def _route(cluster: Cluster, state: State, plan: Plan) -> None:
    """Route the pods of each node to it, from the engine and from the other nodes; services to the first node."""
    ranges = {item["metadata"]["name"]: item["spec"]["podCIDR"] for item in cluster.get("nodes")["items"]}
    places = [_Place(node, ranges[node.name], node.address) for node in nodes(state)]
    own = engine.existing(state)
    if own is None:
        raise ClusterError("The Docker engine has ended.")
    own.spaces.run("ip", "route", "replace", plan.services, "via", places[0].address)
    for place in places:
        own.spaces.run("ip", "route", "replace", place.pods, "via", place.address)
        for other in places:
            if other != place:
                other.node.run("ip", "route", "replace", place.pods, "via", place.address)


def _cluster(state: State) -> Cluster:
    kubectl = programs([Program.KUBECTL])[Program.KUBECTL]
    draft = Cluster(Tier.KIND, state.kubeconfig, kubectl, "", state.folder, None)
    server = draft.run_kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
    return Cluster(Tier.KIND, state.kubeconfig, kubectl, server, state.folder, None)


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
    """Run kind where the engine's client is: kind calls `docker`."""
    docker = docker_of(state)
    log = state.logs / "kind.log"
    with log.open("ab") as output:
        command: list[str | Path] = [*docker.enter, kind, *arguments, f"--name={_name(state)}"]
        result = subprocess.run(
            command,
            env=docker.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode:
        words = log.read_text(errors="replace").splitlines()[-5:]
        raise ClusterError(f"kind {' '.join(arguments[:2])} failed; {log} ends with:\n" + "\n".join(words))


def _name(state: State) -> str:
    return f"modelservice-{sha256(str(state.folder).encode()).hexdigest()[:10]}"
