"""The cluster in which peers are measured, and peers as processes of it."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.bodies import template
from bench.contestants import launch, user_of
from bench.environments import ROOT
from bench.errors import BenchError
from bench.measures import PeerName
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from tests.environment.audit import AuditWindow
from tests.environment.cluster import Cluster, Tier, start
from tests.environment.cluster.process import Processes, Record, recorded
from tests.environment.cluster.programs import Program
from tests.environment.cluster.state import State
from tests.environment.cluster.wait import wait_until

_CONTROLLERS = (
    "*",
    "-horizontal-pod-autoscaler-controller",
    "-endpoints-controller",
    "-endpointslice-controller",
    "-garbage-collector-controller",
)
"""All but those on which no peer's work depends: autoscaling without metrics, endpoints, garbage collection."""
_FLAGS: dict[str, tuple[str, ...]] = {
    Program.CONTROLLER_MANAGER: (
        "--kube-api-qps=5000",
        "--kube-api-burst=5000",
        f"--controllers={','.join(_CONTROLLERS)}",
    ),
    Program.SCHEDULER: ("--kube-api-qps=5000", "--kube-api-burst=5000"),
}
_EVERYTHING = ["*"]
_RULES = [
    {"apiGroups": [group], "resources": _EVERYTHING, "verbs": _EVERYTHING}
    for group in (
        "",
        "apps",
        "autoscaling",
        "modelservice.dev",
        "policy",
        "networking.k8s.io",
        "gateway.networking.k8s.io",
        "monitoring.coreos.com",
        "coordination.k8s.io",
        "apiextensions.k8s.io",
    )
]
_ROLE = "bench-peer"


@dataclass(frozen=True)
class Arena:
    """A running control plane with the CRD and a user for each peer, all of the same rights and the same class."""

    cluster: Cluster
    state: State
    template: Path
    kubeconfigs: dict[PeerName, Path]

    @property
    def server_pid(self) -> int:
        """Process of the API server."""
        return next(record.pid for record in recorded(self.state.processes) if record.name == Program.APISERVER)

    def audit(self) -> AuditWindow:
        """Open a window on the audit log."""
        return AuditWindow(self.state.audit_log)

    @contextmanager
    def running(self, peer: PeerName, namespace: str) -> Iterator[int]:
        """Run a peer for the length of a `with` block; the value is its process."""
        how = launch(peer, kubeconfig=self.kubeconfigs[peer], namespace=namespace, template=self.template)
        processes = Processes(self.state.processes, self.state.logs, dies_with_us=True)
        record = processes.start(f"peer-{peer}", how.command, environment=how.environment)
        try:
            yield record.pid
        except BenchError as error:
            log = self.state.logs / f"peer-{peer}.log"
            raise BenchError(
                f"{error}\nThe log of {peer} ends with:\n{log.read_text(errors='replace')[-2000:]}"
            ) from error
        finally:
            _end(record)


@contextmanager
def arena(peers: tuple[PeerName, ...]) -> Iterator[Arena]:
    """Run a fresh control plane with the CRD for the length of a `with` block."""
    with start(Tier.CONTROL_PLANE, flags=_FLAGS) as cluster:
        if cluster.state is None:
            raise BenchError("The cluster keeps no state folder, so its processes cannot be measured.")
        state = State(cluster.state)
        cluster.run_kubectl("apply", "-f", str(ROOT / "crds" / "modelservices.modelservice.dev.yaml"))
        cluster.run_kubectl(
            "create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": _access(peers)})
        )
        cluster.run_kubectl(
            "wait", "--for=condition=Established", "crd/modelservices.modelservice.dev", "--timeout=30s"
        )
        # An established CRD still answers "storage is (re)initializing" for a moment.
        wait_until(
            lambda: cluster.run_kubectl("get", "--raw", MODEL_SERVICE.path(), check=False),
            seconds=30,
            what="the ModelService resource to be served",
        )
        file = state.users / "children.json"
        file.write_text(template(), encoding="utf-8")
        yield Arena(cluster, state, file, {peer: cluster.user_kubeconfig(user_of(peer)) for peer in peers})


def _access(peers: tuple[PeerName, ...]) -> list[dict[str, object]]:
    group = "rbac.authorization.k8s.io"
    meta = {"apiVersion": f"{group}/v1", "metadata": {"name": _ROLE}}
    subjects = [{"kind": "User", "apiGroup": group, "name": user_of(peer)} for peer in peers]
    role = {"kind": "ClusterRole", "apiGroup": group, "name": _ROLE}
    return [
        {**meta, "kind": "ClusterRole", "rules": _RULES},
        {**meta, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": subjects},
    ]


def _end(record: Record) -> None:
    """End a peer as a node would: it may finish what it does."""
    if record.is_alive():
        os.kill(record.pid, signal.SIGTERM)
    try:
        wait_until(record.has_ended, seconds=15, what=f"{record.name} to end")
    finally:
        if record.is_alive():
            os.kill(record.pid, signal.SIGKILL)
