"""The node tier: the control plane and one real node, which runs containers, in separate Linux namespaces."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.environment.cluster import cgroups, namespaces, network
from tests.environment.cluster.build import is_built, programs
from tests.environment.cluster.compiled import PAUSE
from tests.environment.cluster.control_plane import (
    CONFIG,
    START_TIMEOUT,
    Addresses,
    ControlPlane,
    client_config,
    write_client,
    write_credentials,
)
from tests.environment.cluster.directories import temporary_directory
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.images import import_archive
from tests.environment.cluster.locks import waiting_lock
from tests.environment.cluster.model import Cluster, Options, Tier
from tests.environment.cluster.process import Processes, kill, recorded
from tests.environment.cluster.programs import CONTROL_PLANE_PROGRAMS, NODE_PROGRAMS, Program
from tests.environment.cluster.simulated import all_nodes_ready
from tests.environment.cluster.system import install_to_build, install_to_run, require_node_support, require_visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.environment.cluster.namespaces import Namespaces
    from tests.environment.cluster.network import Plan
    from tests.environment.cluster.pki import Authority
    from tests.environment.cluster.state import State

NODE_NAME = "node-1"
PROGRAMS = (*CONTROL_PLANE_PROGRAMS, *NODE_PROGRAMS)
METRICS_NAME = "metrics-server"
METRICS_PORT = 4443

# Kernel settings that the kubelet expects. It finds them in files that cover the real ones inside the node, so
# it never changes the machine.
KERNEL_SETTINGS = {
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxbytes": "25000000",
    "kernel/keys/root_maxkeys": "1000000",
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
}
# Directories of the node that are written a lot or must outlive a mount: they are stored in the state directory.
DISK_FOLDERS = ("/var/lib/kubelet", "/var/lib/containerd")


def build() -> Mapping[Program, Path]:
    """Build what the tier needs; raise ClusterError where this machine cannot run it."""
    require_node_support()
    install_to_run()
    if not is_built(Program.RUNC):
        install_to_build()
    return programs(PROGRAMS)


def launch(state: State, options: Options) -> Cluster:
    """Start the tier in a state directory; return when pods can be scheduled and metrics are served."""
    if options.port is not None:
        raise ClusterError("The API server of a node has a fixed address: a port cannot be chosen.")
    binaries = build()
    for folder in (state.folder, binaries[Program.KUBELET].parent, CONFIG):
        require_visible(folder)
    processes = Processes(state.processes, state.logs, options.dies_with_us)
    cgroups.create(cgroup_of(state))
    spaces = namespaces.create(state, processes, PAUSE.program)
    with waiting_lock(temporary_directory() / "network.lock", when_busy=lambda: None):
        plan = network.free_plan()
        network.connect(spaces, state.folder, plan, reached=(plan.pods, plan.services))
    # A packet to a service must be routable before kube-proxy's rules give it another address.
    spaces.run("ip", "route", "add", plan.services, "via", plan.host)
    _prepare_mounts(state, spaces, binaries, plan)
    inside = processes.entering(spaces.enter)
    return _Node(state, options, binaries, spaces, inside, plan).start()


def teardown(state: State) -> None:
    """End the node and remove what its end leaves on the host: nothing but empty cgroups."""
    kill(recorded(state.processes))
    network.disconnect(state.folder)
    cgroups.remove(cgroup_of(state))


def cgroup_of(state: State) -> str:
    """Return the name of the cgroup for the pods of a state directory."""
    return cgroups.name_of(state.folder)


@dataclass(frozen=True)
class _Node:
    """The processes of the tier."""

    state: State
    options: Options
    binaries: Mapping[Program, Path]
    spaces: Namespaces
    processes: Processes
    plan: Plan

    @property
    def addresses(self) -> Addresses:
        """Addresses of the control plane: all interfaces of the node's network namespace."""
        return Addresses(
            host=self.plan.node,
            bind="0.0.0.0",  # noqa: S104 - only this machine reaches it
            port=6443,
            etcd_port=2379,
            etcd_peer_port=2380,
            services=self.plan.services,
        )

    def start(self) -> Cluster:
        authority = write_credentials(self.state, self.addresses)
        self._write_credentials(authority)
        plane = ControlPlane(self.state, self.processes, self.binaries, self.addresses, self.options)
        plane.start_store_and_server(
            f"--advertise-address={self.plan.node}",
            f"--kubelet-client-certificate={self.state.pki}/kubelet-client.crt",
            f"--kubelet-client-key={self.state.pki}/kubelet-client.key",
            f"--kubelet-certificate-authority={self.state.pki}/ca.crt",
            "--kubelet-preferred-address-types=InternalIP",
            "--enable-aggregator-routing=true",
        )
        self._start_containerd()
        plane.wait_for_server()
        plane.start_controllers()
        self._start_node()
        cluster = self._cluster()
        self._publish_metrics(cluster, authority)
        plane.wait_for_default_account(cluster)
        self.processes.wait(lambda: all_nodes_ready(cluster), name=Program.KUBELET, seconds=START_TIMEOUT)
        self._wait_for_metrics(cluster)
        plane.wait_for_service()
        return cluster

    def _cluster(self) -> Cluster:
        return Cluster(
            tier=Tier.NODE,
            kubeconfig=self.state.kubeconfig,
            kubectl=self.binaries[Program.KUBECTL],
            server=self.addresses.server,
            state=self.state.folder,
            audit_log=self.state.audit_log,
        )

    def _write_credentials(self, authority: Authority) -> None:
        pki = self.state.pki
        authority.issue("kubelet", names=(NODE_NAME, self.plan.node)).write(pki, "kubelet")
        authority.issue("metrics-server", names=(f"{METRICS_NAME}.kube-system.svc",)).write(pki, "metrics-server")
        for name, user, groups in (
            ("kubelet", f"system:node:{NODE_NAME}", ("system:nodes",)),
            ("kube-proxy", "system:kube-proxy", ()),
            ("metrics-server", "metrics-server", ("system:masters",)),
        ):
            write_client(self.state, authority, self.addresses.server, name, user=user, groups=groups)

    def _start_containerd(self) -> None:
        self._start(Program.CONTAINERD, f"--config={CONFIG}/containerd.toml")
        socket = self.spaces.path("/run/containerd/containerd.sock")
        self.processes.wait(socket.exists, name=Program.CONTAINERD, seconds=START_TIMEOUT)
        import_archive(self.spaces, self.binaries[Program.CTR], PAUSE.archive)

    def _start_node(self) -> None:
        self._start(
            Program.KUBELET,
            f"--config={_written(self.state.node / 'kubelet.json', kubelet_configuration(self.state))}",
            f"--kubeconfig={client_config(self.state, 'kubelet')}",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={self.plan.node}",
            "--housekeeping-interval=2s",
        )
        proxy = _written(self.state.node / "kube-proxy.json", proxy_configuration(self.state, self.plan))
        self._start(Program.KUBE_PROXY, f"--config={proxy}")

    def _publish_metrics(self, cluster: Cluster, authority: Authority) -> None:
        config = client_config(self.state, "metrics-server")
        self._start(
            Program.METRICS_SERVER,
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            f"--secure-port={METRICS_PORT}",
            f"--tls-cert-file={self.state.pki}/metrics-server.crt",
            f"--tls-private-key-file={self.state.pki}/metrics-server.key",
            f"--kubelet-certificate-authority={self.state.pki}/ca.crt",
            "--kubelet-preferred-address-types=InternalIP",
            # The shortest resolution, and a time-out below it: otherwise it refuses to start.
            "--metric-resolution=10s",
            "--kubelet-request-timeout=5s",
        )
        announced = metrics_objects(self.plan.node, authority.pair.certificate)
        cluster.run_kubectl("create", "-f", "-", stdin=json.dumps(announced))

    def _wait_for_metrics(self, cluster: Cluster) -> None:
        """An API that is announced and absent would keep namespaces from being deleted."""
        query = ("get", "--raw", "/apis/metrics.k8s.io/v1beta1")
        self.processes.wait(
            lambda: cluster.run_kubectl(*query, check=False), name=Program.METRICS_SERVER, seconds=START_TIMEOUT
        )

    def _start(self, program: Program, *flags: str) -> None:
        folders = {str(self.binaries[needed].parent) for needed in (Program.RUNC, Program.SHIM)}
        path = ":".join((*sorted(folders), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
        command: list[str | Path] = [self.binaries[program], *flags, *self.options.flags_of(program)]
        self.processes.start(program, command, environment={"PATH": path})


def _prepare_mounts(state: State, spaces: Namespaces, binaries: Mapping[Program, Path], plan: Plan) -> None:
    """Give the node separate directories where programs expect them; the host sees none of it."""
    for covered in ("/run", "/var/lib", "/var/log"):
        spaces.run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", covered)
    for folder in DISK_FOLDERS:
        source = state.node / Path(folder).name
        source.mkdir()
        _bind(spaces, source, folder)
    spaces.run("mount", "--make-shared", "/var/lib/kubelet")
    networks = state.node / "cni"
    networks.mkdir()
    _written(networks / "10-pods.conflist", pod_network(plan))
    _bind(spaces, networks, "/run/cni/net.d")
    _bind(spaces, binaries[Program.CNI_PTP].parent, "/run/cni/bin")
    for setting, value in KERNEL_SETTINGS.items():
        cover = state.node / "kernel" / setting.replace("/", "-")
        cover.parent.mkdir(exist_ok=True)
        cover.write_text(f"{value}\n")
        spaces.run("mount", "--bind", cover, f"/proc/sys/{setting}")
    # This one belongs to the network namespace, not to the machine.
    spaces.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")


def _bind(spaces: Namespaces, source: Path, target: str) -> None:
    spaces.run("mkdir", "-p", target)
    spaces.run("mount", "--bind", source, target)


def _written(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content, indent=1))
    return path


def pod_network(plan: Plan) -> dict[str, Any]:
    """Return the CNI configuration: a routed link for each pod.

    A bridge would let the answers of pods on it bypass the rules that gave a service's packets their address. Pods
    have no default route either: an unreachable address fails immediately, not after retries.
    """
    ipam = {"type": "host-local", "ranges": [[{"subnet": plan.pods}]], "routes": [{"dst": network.TEST_RANGE}]}
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{"type": "ptp", "ipMasq": False, "ipam": ipam | {"dataDir": "/run/cni/addresses"}}],
    }


def kubelet_configuration(state: State) -> dict[str, Any]:
    """Return the kubelet's configuration for the cgroups that this machine has."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{state.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup_of(state)}",
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        # The machine's disk is not the tests' to judge: a full one must not evict pods early.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "failCgroupV1": False,
        "failSwapOn": False,
        # No registry brings an image back.
        "imageGCHighThresholdPercent": 100,
        # An image that is pulled with a password may be the one that was brought here without (KEP-2535).
        "imagePullCredentialsVerificationPolicy": "NeverVerify",
        "nodeStatusUpdateFrequency": "5s",
        "registerNode": True,
        # No name service: resolvers of the host would be out of reach and slow to fail.
        "resolvConf": "",
        "serializeImagePulls": False,
        "syncFrequency": "10s",
        "tlsCertFile": f"{state.pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{state.pki}/kubelet.key",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
    }


def proxy_configuration(state: State, plan: Plan) -> dict[str, Any]:
    """Return kube-proxy's configuration; connection tracking limits are the machine's and stay as they are."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(client_config(state, "kube-proxy"))},
        "clusterCIDR": plan.pods,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"},
        "hostnameOverride": NODE_NAME,
        "mode": "nftables",
    }


def metrics_objects(node: str, authority: bytes) -> dict[str, Any]:
    """Return the objects that put a process of the node behind the API server: a Service without selector."""
    place = {"name": METRICS_NAME, "namespace": "kube-system"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": place,
        "spec": {"ports": [{"name": "https", "port": 443, "targetPort": METRICS_PORT}]},
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**place, "labels": {"kubernetes.io/service-name": METRICS_NAME}},
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": METRICS_PORT}],
        "endpoints": [{"addresses": [node], "conditions": {"ready": True}}],
    }
    announcement = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1beta1.metrics.k8s.io"},
        "spec": {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "caBundle": b64encode(authority).decode(),
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": {**place, "port": 443},
        },
    }
    return {"apiVersion": "v1", "kind": "List", "items": [service, endpoints, announcement]}
