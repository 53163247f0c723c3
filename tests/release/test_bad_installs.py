"""Bad installs: the operator says what is wrong and stays alive, `check` names it, and both recover once it is mended.

The operator is a process with the account of its simulated pods, on a control plane that no other test uses.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.environment.cluster import Cluster, Tier, start
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.cluster.wait import wait_until
from tests.support.builders import model_service
from tests.support.health import free_port, get_health
from tests.support.installation import ACCOUNT, NAMESPACE, ROOT
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator

pytestmark = [pytest.mark.control_plane, pytest.mark.timeout(900)]

SECONDS = 240.0
LEADS = "Became leader"
VERSION = "modelservice.dev/version"
CRD_NAME = "modelservices.modelservice.dev"
BINDING = "validatingadmissionpolicybinding/modelservice-references"
OTHER = "other-system"
LEASE_HOME = "lease-home"
METRICS = "pods.metrics.k8s.io"
FORCE = ("apply", "--server-side", "--force-conflicts")


def run_check(kubeconfig: Path) -> dict[str, str]:
    """Return the level of each finding, by its id."""
    command = [sys.executable, "-m", "modelservice_operator", "check", "--kubeconfig", str(kubeconfig), "-o", "json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    levels = {"ok": 0, "warning": 1, "error": 2}
    found: dict[str, str] = {}
    for one in json.loads(result.stdout)["findings"]:
        found[one["id"]] = max(found.get(one["id"], "ok"), one["level"], key=levels.__getitem__)
    assert result.returncode == ("error" in found.values())
    return found


def install(cluster: Cluster) -> None:
    """Apply manifests/ and wait until the simulated pods of the operator are ready."""
    cluster.run_kubectl(*FORCE, "-k", str(ROOT / "manifests"))
    cluster.run_kubectl("wait", "--for=condition=Established", f"crd/{CRD_NAME}", f"--timeout={SECONDS:.0f}s")
    rollout = ("rollout", "status", f"deployment/{ACCOUNT}", f"--timeout={SECONDS:.0f}s")
    cluster.run_kubectl("--namespace", NAMESPACE, *rollout)


@pytest.fixture(scope="module")
def plane() -> Iterator[Cluster]:
    """A control plane with the whole install."""
    with start(Tier.CONTROL_PLANE) as cluster:
        install(cluster)
        yield cluster


@pytest.fixture(scope="module")
def kubeconfig(plane: Cluster) -> Path:
    """Credentials of the operator's account."""
    return plane.service_account_kubeconfig(NAMESPACE, ACCOUNT)


@dataclass
class Installation:
    """A running operator, its probes, and a namespace for ModelServices."""

    operator: OperatorProcess
    port: int
    ns: NamespaceFixture

    def assert_alive(self) -> None:
        assert self.operator.is_running
        assert get_health(self.port, "/healthz") == (HTTPStatus.OK, [])

    def serve(self, name: str) -> None:
        """Apply a ModelService and wait until it is ready."""
        self.ns.apply(model_service().named(name))
        self.ns.wait_ready(name, within=SECONDS)


@pytest.fixture(scope="module")
def installation(plane: Cluster, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The installed operator, as a process that leads. It retries what was refused every few seconds."""
    port = free_port()
    timing = ("--discovery-seconds", "1", "--resync-seconds", "5")
    arguments = ("--lease-namespace", NAMESPACE, "--probe-port", str(port), *timing)
    with running_operator(kubeconfig, tmp_path_factory.mktemp("operator") / "operator.log", *arguments) as operator:
        wait_until(lambda: LEADS in operator.log, seconds=SECONDS, what="a leader")
        ns = NamespaceFixture(plane, create_namespace(plane, "bad-installs"), lambda: operator.log)
        yield Installation(operator, port, ns)


def delete_crd(cluster: Cluster) -> None:
    cluster.run_kubectl("delete", "crd", CRD_NAME)


def apply_older_crd(cluster: Cluster) -> None:
    """Apply the CRD of a version that did not know a field of the status."""
    [crd] = yaml.safe_load_all(cluster.run_kubectl("kustomize", str(ROOT / "crds")))
    crd["metadata"]["annotations"][VERSION] = "0.0.9"
    del crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["address"]
    cluster.run_kubectl(*FORCE, "-f", "-", stdin=yaml.safe_dump(crd))


def annotate_older_version(cluster: Cluster) -> None:
    cluster.run_kubectl("annotate", "crd", CRD_NAME, f"{VERSION}=0.0.9", "--overwrite")


def revoke_create_of_services(cluster: Cluster) -> None:
    role = cluster.get("clusterrole", ACCOUNT)
    for rule in role["rules"]:
        if "services" in rule["resources"]:
            rule["verbs"] = [verb for verb in rule["verbs"] if verb != "create"]
    cluster.run_kubectl("replace", "-f", "-", stdin=json.dumps(role))


def delete_binding(cluster: Cluster) -> None:
    cluster.run_kubectl("delete", BINDING)


def set_arguments(cluster: Cluster, *arguments: str) -> None:
    """Replace the arguments in the operator's Deployment."""
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": ["run", *arguments]}]
    options = ("--type=json", "-p", json.dumps(patch))
    cluster.run_kubectl("--namespace", NAMESPACE, "patch", "deployment", ACCOUNT, *options)


def set_wrong_arguments(cluster: Cluster) -> None:
    set_arguments(cluster, "--workers", "none")


def install_again(cluster: Cluster) -> None:
    """Install a second operator, which serves all namespaces as the first one does, with another Lease."""
    [deployment] = (
        body
        for body in yaml.safe_load_all(cluster.run_kubectl("kustomize", str(ROOT / "manifests")))
        if body["kind"] == "Deployment"
    )
    deployment["metadata"]["namespace"] = OTHER
    namespace: Any = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OTHER}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": OTHER}}
    cluster.run_kubectl("create", "-f", "-", stdin=yaml.safe_dump_all([namespace, account, deployment]))


def remove_second_install(cluster: Cluster) -> None:
    cluster.run_kubectl("delete", "namespace", OTHER)


@dataclass(frozen=True, kw_only=True)
class BadInstall:
    """A change that breaks the install."""

    finding: str
    level: str = "error"
    break_it: Callable[[Cluster], None]
    mend: Callable[[Cluster], None] = install
    said: str = ""
    """Part of the log, or of the message of a condition. Empty if the operator works as before and cannot notice it."""
    has_crd: bool = True

    def __str__(self) -> str:
        return self.break_it.__name__


BAD_INSTALLS = (
    BadInstall(finding="crd-older", break_it=annotate_older_version, level="warning"),
    BadInstall(finding="crd-older", break_it=apply_older_crd, said="The API server drops status.address"),
    BadInstall(finding="crd-missing", break_it=delete_crd, said="are not served: install their CRD", has_crd=False),
    BadInstall(
        finding="permission-missing", break_it=revoke_create_of_services, said='cannot create resource "services"'
    ),
    BadInstall(finding="policy-not-bound", break_it=delete_binding, level="warning"),
    BadInstall(finding="operator-arguments", break_it=set_wrong_arguments),
    BadInstall(finding="installs-overlap", break_it=install_again, mend=remove_second_install),
)


def test_check_of_a_good_install_passes(installation: Installation, kubeconfig: Path) -> None:
    """With the account of the operator, as `helm test` runs it."""
    installation.serve("good")
    found = run_check(kubeconfig)
    assert "error" not in found.values()
    assert {found[name] for name in ("operator", "leader", "permissions", "crd")} == {"ok"}
    assert {name for name in found if name.endswith("-unreadable")} >= {"crd-unreadable", "webhooks-unreadable"}


@pytest.mark.parametrize("bad", BAD_INSTALLS, ids=str)
def test_bad_install_is_named_until_mended(plane: Cluster, installation: Installation, bad: BadInstall) -> None:
    operator, ns, name = installation.operator, installation.ns, str(bad).replace("_", "-")
    assert bad.finding not in run_check(plane.kubeconfig)
    begin = len(operator.log)

    def said() -> str:
        status = ns.get_model_service(name).get("status", {}) if bad.has_crd else {}
        return operator.log[begin:] + "".join(one["message"] for one in status.get("conditions", ()))

    bad.break_it(plane)
    try:
        if bad.has_crd:
            ns.apply(model_service().named(name))
        wait_until(lambda: bad.said in said(), seconds=SECONDS, what=f"{bad.said!r} in the log or the status")
        installation.assert_alive()
        assert run_check(plane.kubeconfig)[bad.finding] == bad.level
    finally:
        bad.mend(plane)
    if bad.has_crd:
        ns.wait_ready(name, within=SECONDS)
    installation.serve(f"{name}-mended")
    installation.assert_alive()
    assert bad.finding not in run_check(plane.kubeconfig)


def terminate_lease_home(cluster: Cluster) -> None:
    """Begin the deletion of the namespace, which a ConfigMap with a finalizer keeps from ending."""
    metadata = {"name": "held", "namespace": LEASE_HOME, "finalizers": ["example.com/held"]}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    cluster.run_kubectl("create", "namespace", LEASE_HOME)
    cluster.run_kubectl("create", "-f", "-", stdin=json.dumps(body))
    cluster.run_kubectl("delete", "namespace", LEASE_HOME, "--wait=false")


def create_lease_home(cluster: Cluster) -> None:
    """Create the namespace, after what is left of an earlier one of the name."""
    patch = ("patch", "configmap", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    cluster.run_kubectl("--namespace", LEASE_HOME, *patch, check=False)
    cluster.run_kubectl("wait", "--for=delete", f"namespace/{LEASE_HOME}", f"--timeout={SECONDS:.0f}s")
    cluster.run_kubectl("create", "namespace", LEASE_HOME)


def delete_lease_home(cluster: Cluster) -> None:
    cluster.run_kubectl("delete", "namespace", LEASE_HOME, "--ignore-not-found")


LEASE_NAMESPACES = (
    BadInstall(finding="namespace-missing", break_it=delete_lease_home, said=f"create the namespace {LEASE_HOME}"),
    BadInstall(
        finding="namespace-terminating", break_it=terminate_lease_home, said="wait until the namespace is deleted"
    ),
)


@pytest.mark.parametrize("bad", LEASE_NAMESPACES, ids=str)
def test_lease_namespace_is_named_until_mended(
    plane: Cluster, kubeconfig: Path, tmp_path: Path, bad: BadInstall
) -> None:
    port = free_port()
    role = ("clusterrole", "all-leases", "--verb=get,create,update", "--resource=leases.coordination.k8s.io")
    plane.run_kubectl("create", *role)
    binding = ("clusterrolebinding", "all-leases", "--clusterrole=all-leases")
    plane.run_kubectl("create", *binding, f"--serviceaccount={NAMESPACE}:{ACCOUNT}")
    bad.break_it(plane)
    set_arguments(plane, "--lease-namespace", LEASE_HOME)
    arguments = ("--lease-namespace", LEASE_HOME, "--probe-port", str(port))
    try:
        with running_operator(kubeconfig, tmp_path / "operator.log", *arguments) as operator:
            wait_until(lambda: bad.said in operator.log, seconds=SECONDS, what=f"{bad.said!r} in the log")
            assert get_health(port, "/healthz") == (HTTPStatus.OK, [])
            assert run_check(plane.kubeconfig)[bad.finding] == bad.level
            create_lease_home(plane)
            wait_until(lambda: LEADS in operator.log, seconds=SECONDS, what="a leader")
            assert bad.finding not in run_check(plane.kubeconfig)
    finally:
        install(plane)
        plane.run_kubectl("delete", "namespace", LEASE_HOME, "--ignore-not-found")
        plane.run_kubectl("delete", "clusterrolebinding,clusterrole", "all-leases")


def register_metrics_api(cluster: Cluster) -> None:
    """Serve the metrics API from stored objects: to its clients they are those of metrics-server."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": METRICS, "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"}},
        "spec": {
            "group": "metrics.k8s.io",
            "names": {"kind": "PodMetrics", "plural": "pods"},
            "scope": "Namespaced",
            "versions": [{"name": "v1beta1", "served": True, "storage": True, "schema": schema}],
        },
    }
    cluster.run_kubectl("create", "-f", "-", stdin=json.dumps(crd))
    cluster.run_kubectl("wait", "--for=condition=Established", f"crd/{METRICS}", f"--timeout={SECONDS:.0f}s")


def store_metrics(ns: NamespaceFixture) -> None:
    """Store metrics of each pod in the namespace."""
    now = datetime.now(tz=UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    bodies = [
        {
            "apiVersion": "metrics.k8s.io/v1beta1",
            "kind": "PodMetrics",
            "metadata": {"name": pod["metadata"]["name"], "labels": pod["metadata"]["labels"]},
            "timestamp": now,
            "window": "1s",
            "containers": [
                {"name": one["name"], "usage": {"cpu": "10m", "memory": "10Mi"}} for one in pod["spec"]["containers"]
            ],
        }
        for pod in ns.cluster.get("pods", "--namespace", ns.namespace)["items"]
    ]
    ns.kubectl(
        "apply", "--server-side", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
    )


def test_missing_metrics_server_is_named_until_installed(plane: Cluster, installation: Installation) -> None:
    ns, name = installation.ns, "autoscaled"
    ns.apply(model_service().named(name).autoscaled(max_replicas=3, cpu=50))

    def autoscaler() -> Any:
        return ns.condition(name, "AutoscalerReady")

    advised = "Install metrics-server"
    ns.wait(lambda: advised in autoscaler().get("message", ""), advised, within=SECONDS, name=name)
    assert run_check(plane.kubeconfig)["metrics-api-missing"] == "warning"
    register_metrics_api(plane)
    try:
        store_metrics(ns)
        ns.wait(lambda: autoscaler().get("status") == "True", "autoscaler that works", within=SECONDS, name=name)
        found = run_check(plane.kubeconfig)
        assert ("metrics-api-missing" not in found, found["metrics-api"]) == (True, "ok")
    finally:
        plane.run_kubectl("delete", "crd", METRICS)
    installation.assert_alive()
