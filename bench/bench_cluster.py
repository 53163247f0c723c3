"""The cluster for the measurements, and the peers as processes."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.bodies import children_template
from bench.environments import ROOT
from bench.errors import BenchError
from bench.measures import PeerName
from bench.peer_commands import launch, user_of
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
"""All controllers except those that no peer depends on: autoscaling, endpoints, garbage collection."""
_FLAGS: dict[str, tuple[str, ...]] = {
    Program.CONTROLLER_MANAGER: (
        "--kube-api-qps=5000",
        "--kube-api-burst=5000",
        f"--controllers={','.join(_CONTROLLERS)}",
    ),
    Program.SCHEDULER: ("--kube-api-qps=5000", "--kube-api-burst=5000"),
}
_EVERYTHING = ["*"]
_ROLE_MANIFEST = ROOT / "manifests" / "base" / "operator-role.yaml"
_ROLE = "bench-peer"


@dataclass(frozen=True)
class BenchCluster:
    """A running control plane with the CRD and a user for each peer; all users have the same permissions."""

    cluster: Cluster
    state: State
    template: Path
    kubeconfigs: dict[PeerName, Path]

    @property
    def server_pid(self) -> int:
        """PID of the API server."""
        return next(record.pid for record in recorded(self.state.processes) if record.name == Program.APISERVER)

    def open_audit_window(self) -> AuditWindow:
        """Return the requests that the API server audits from now on."""
        return AuditWindow(self.state.audit_log)

    @contextmanager
    def run_peer(self, peer: PeerName, namespace: str) -> Iterator[int]:
        """Run a peer for the length of a `with` block, and yield its PID."""
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
            _stop(record)


@contextmanager
def start_bench_cluster(peers: tuple[PeerName, ...]) -> Iterator[BenchCluster]:
    """Run a fresh control plane with the CRD for the length of a `with` block."""
    with start(Tier.CONTROL_PLANE, flags=_FLAGS) as cluster:
        if cluster.state is None:
            raise BenchError("The cluster has no state directory, so its processes cannot be measured.")
        state = State(cluster.state)
        cluster.run_kubectl("apply", "-f", str(ROOT / "crds" / "modelservices.modelservice.dev.yaml"))
        cluster.run_kubectl(
            "create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": _rbac_objects(peers)})
        )
        cluster.run_kubectl(
            "wait", "--for=condition=Established", "crd/modelservices.modelservice.dev", "--timeout=30s"
        )
        # An established CRD still answers "storage is (re)initializing" for a moment.
        wait_until(
            lambda: cluster.run_kubectl("get", "--raw", MODEL_SERVICE.path(), check=False),
            seconds=30,
            what="the ModelService resource",
        )
        file = state.users / "children.json"
        file.write_text(children_template(), encoding="utf-8")
        yield BenchCluster(cluster, state, file, {peer: cluster.user_kubeconfig(user_of(peer)) for peer in peers})


def role_rules() -> list[dict[str, list[str]]]:
    """Return rules that allow a peer everything in the API groups of the operator's role, and to read CRDs."""
    documents = yaml.safe_load_all(_ROLE_MANIFEST.read_text(encoding="utf-8"))
    rules = [rule for body in documents for rule in (body or {}).get("rules") or ()]
    groups = {group for rule in rules for group in rule.get("apiGroups") or ()} | {"apiextensions.k8s.io"}
    return [{"apiGroups": [group], "resources": _EVERYTHING, "verbs": _EVERYTHING} for group in sorted(groups)]


def _rbac_objects(peers: tuple[PeerName, ...]) -> list[dict[str, object]]:
    group = "rbac.authorization.k8s.io"
    meta = {"apiVersion": f"{group}/v1", "metadata": {"name": _ROLE}}
    subjects = [{"kind": "User", "apiGroup": group, "name": user_of(peer)} for peer in peers]
    role = {"kind": "ClusterRole", "apiGroup": group, "name": _ROLE}
    return [
        {**meta, "kind": "ClusterRole", "rules": role_rules()},
        {**meta, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": subjects},
    ]


def _stop(record: Record) -> None:
    """Stop a peer as a kubelet does: SIGTERM, then SIGKILL after a timeout."""
    if record.is_alive():
        os.kill(record.pid, signal.SIGTERM)
    try:
        wait_until(record.has_ended, seconds=15, what=f"end of {record.name}")
    finally:
        if record.is_alive():
            os.kill(record.pid, signal.SIGKILL)
