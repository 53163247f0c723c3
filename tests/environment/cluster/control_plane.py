"""etcd, the API server and its controllers: the same processes and flags on both tiers that are built here."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.environment.cluster import pki
from tests.environment.cluster.errors import ClusterError, PortTakenError
from tests.environment.cluster.flags import help_of, supported
from tests.environment.cluster.programs import Program, source_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.environment.cluster.model import Cluster, Options
    from tests.environment.cluster.process import Processes
    from tests.environment.cluster.state import State

CONFIG = Path(__file__).parent / "config"
# From 198.18.0.0/15, which is set aside for tests (RFC 2544): never a range that a real network uses.
SERVICE_RANGE = "198.19.0.0/17"
POD_RANGE = "198.18.0.0/16"
START_TIMEOUT = 60

# The clients of the control plane: who they are by the API server's built-in roles.
CLIENTS = {
    "admin": ("admin", ("system:masters",)),
    "controller-manager": ("system:kube-controller-manager", ()),
    "scheduler": ("system:kube-scheduler", ()),
}


@dataclass(frozen=True)
class Addresses:
    """Addresses on which the control plane listens: `host` is the one that clients dial."""

    host: str
    bind: str
    port: int
    etcd_port: int
    etcd_peer_port: int
    services: str = SERVICE_RANGE

    @property
    def kubernetes_service(self) -> str:
        """The first address of the range, by the API server's rule."""
        return str(ipaddress.ip_network(self.services)[1])

    @property
    def server(self) -> str:
        return f"https://{self.host}:{self.port}"


def loopback_addresses(port: int | None) -> Addresses:
    """Return free ports of 127.0.0.1; raise PortTakenError where the requested one is taken."""
    if port is not None and not _is_free(port):
        raise PortTakenError(f"Port {port} of 127.0.0.1 is taken; choose another one, or omit it to get a free one.")
    api, etcd, peer = _free_ports(3)
    return Addresses(host="127.0.0.1", bind="127.0.0.1", port=port or api, etcd_port=etcd, etcd_peer_port=peer)


def write_credentials(state: State, addresses: Addresses) -> pki.Authority:
    """Create the cluster's authorities, certificates and kubeconfig files; return the main authority."""
    authority = pki.Authority.create("modelservice-tests")
    authority.pair.write(state.pki, "ca")
    authority.issue("kube-apiserver", names=_server_names(addresses)).write(state.pki, "apiserver")
    authority.issue("kube-apiserver-kubelet-client", groups=("system:masters",)).write(state.pki, "kubelet-client")
    front = pki.Authority.create("modelservice-tests-front-proxy")
    front.pair.write(state.pki, "front-proxy-ca")
    front.issue("front-proxy-client").write(state.pki, "front-proxy-client")
    pki.service_account_key().write(state.pki, "service-account")
    for name, (user, groups) in CLIENTS.items():
        write_client(state, authority, addresses.server, name, user=user, groups=groups)
    pki.write_private(state.kubeconfig, client_config(state, "admin").read_bytes())
    return authority


def _server_names(addresses: Addresses) -> tuple[str, ...]:
    """Return every name under which a client may reach the API server."""
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    return (addresses.host, "127.0.0.1", addresses.kubernetes_service, "localhost", *service)


def write_client(
    state: State, authority: pki.Authority, server: str, name: str, *, user: str, groups: tuple[str, ...] = ()
) -> None:
    """Write the kubeconfig of a component."""
    entry = pki.certificate_user(authority.issue(user, groups=groups))
    pki.write_private(client_config(state, name), pki.kubeconfig(server, authority.pair.certificate, entry).encode())


def client_config(state: State, name: str) -> Path:
    """Return the path of a component's kubeconfig."""
    return state.pki / f"{name}.kubeconfig"


@dataclass(frozen=True)
class ControlPlane:
    """Starts the processes in the order in which they need each other."""

    state: State
    processes: Processes
    binaries: Mapping[Program, Path]
    addresses: Addresses
    options: Options

    def start_store_and_server(self, *extra: str) -> None:
        """Start etcd and the API server; `extra` are the tier's own flags of the API server."""
        self._start(Program.ETCD, *self._etcd_flags())
        self._start(Program.APISERVER, *self._apiserver_flags(), *extra)

    def wait_for_server(self) -> None:
        """Return when the API server says that it is ready."""
        self._wait_for_answer(self.addresses.server, Program.APISERVER)

    def wait_for_service(self) -> None:
        """Return when the API server answers at the address that pods get."""
        self._wait_for_answer(f"https://{self.addresses.kubernetes_service}", Program.KUBE_PROXY)

    def _wait_for_answer(self, server: str, program: Program) -> None:
        context = ssl.create_default_context(cafile=self.state.pki / "ca.crt")
        with httpx.Client(verify=context, trust_env=False, timeout=2) as client:
            self.processes.wait(lambda: _answers_ok(client, f"{server}/readyz"), name=program, seconds=START_TIMEOUT)

    def start_controllers(self) -> None:
        """Start the controller manager and the scheduler: both give up where no API server answers."""
        self._start(Program.CONTROLLER_MANAGER, *self._controller_manager_flags())
        self._start(Program.SCHEDULER, *self._client_flags("scheduler"), "--leader-elect=false", "--secure-port=0")

    def wait_for_default_account(self, cluster: Cluster) -> None:
        """Return when pods can be created in the namespace `default`."""
        self.processes.wait(
            lambda: cluster.read("serviceaccounts", "default", namespace="default"),
            name=Program.CONTROLLER_MANAGER,
            seconds=START_TIMEOUT,
        )

    def _start(self, program: Program, *flags: str) -> None:
        wanted = (*flags, *self.options.flags_of(program))
        self.processes.start(program, [self.binaries[program], *self._supported(program, wanted)])

    def _supported(self, program: Program, flags: tuple[str, ...]) -> Iterable[str]:
        """Leave out what another version lacks; the newest one has every flag, or must say that it does not."""
        if source_of(program, self.options.kubernetes) is source_of(program):
            return flags
        return supported(flags, help_of(self.binaries[program]))

    def _etcd_flags(self) -> tuple[str, ...]:
        client = f"http://127.0.0.1:{self.addresses.etcd_port}"
        peer = f"http://127.0.0.1:{self.addresses.etcd_peer_port}"
        return (
            f"--data-dir={self.state.etcd}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )

    def _apiserver_flags(self) -> tuple[str, ...]:
        pki_directory = self.state.pki
        return (
            f"--etcd-servers=http://127.0.0.1:{self.addresses.etcd_port}",
            f"--bind-address={self.addresses.bind}",
            f"--secure-port={self.addresses.port}",
            f"--service-cluster-ip-range={self.addresses.services}",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            f"--client-ca-file={pki_directory}/ca.crt",
            f"--tls-cert-file={pki_directory}/apiserver.crt",
            f"--tls-private-key-file={pki_directory}/apiserver.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki_directory}/service-account.crt",
            f"--service-account-signing-key-file={pki_directory}/service-account.key",
            *self._aggregation_flags(),
            f"--audit-policy-file={CONFIG}/audit-policy.yaml",
            f"--audit-log-path={self.state.audit_log}",
            "--audit-log-maxsize=10000",  # MiB: one file, never rotated
        )

    def _aggregation_flags(self) -> tuple[str, ...]:
        pki_directory = self.state.pki
        return (
            f"--requestheader-client-ca-file={pki_directory}/front-proxy-ca.crt",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={pki_directory}/front-proxy-client.crt",
            f"--proxy-client-key-file={pki_directory}/front-proxy-client.key",
        )

    def _controller_manager_flags(self) -> tuple[str, ...]:
        pki_directory = self.state.pki
        return (
            *self._client_flags("controller-manager"),
            f"--service-account-private-key-file={pki_directory}/service-account.key",
            f"--root-ca-file={pki_directory}/ca.crt",
            f"--cluster-signing-cert-file={pki_directory}/ca.crt",
            f"--cluster-signing-key-file={pki_directory}/ca.key",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--secure-port=0",
            # Its own default limits (20 and 30 a second) would be what tests measure.
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            # Autoscaling answers within a test's patience.
            "--horizontal-pod-autoscaler-sync-period=5s",
            "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
            "--horizontal-pod-autoscaler-cpu-initialization-period=10s",
            "--horizontal-pod-autoscaler-downscale-stabilization=15s",
        )

    def _client_flags(self, name: str) -> tuple[str, ...]:
        path = client_config(self.state, name)
        return (f"--kubeconfig={path}", f"--authentication-kubeconfig={path}", f"--authorization-kubeconfig={path}")


def _answers_ok(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.TransportError:
        return False


def _free_ports(count: int) -> list[int]:
    """Return different free ports: all are held at the same time before any is released."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [opened.getsockname()[1] for opened in sockets]
    finally:
        for opened in sockets:
            opened.close()


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except PermissionError:
        raise ClusterError(f"Port {port} is reserved for root; choose one above 1023.") from None
    except OSError:
        return False
    return True
