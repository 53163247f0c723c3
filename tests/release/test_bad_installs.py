"""Bad installs: the operator says what is wrong and stays alive, `check` names it, and both recover once it is mended.

The operator is a process with the account of its simulated pods, on a control plane that no other test uses.
`tests/support/bad_installs.py` lists them; those about images need a node (test_node_install.py).
"""

import asyncio
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

from tests.environment.cluster import Cluster, ClusterError, Tier, start
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.cluster.wait import wait_until
from tests.environment.faults.calls import Call
from tests.environment.faults.proxy import FaultProxy
from tests.environment.faults.rules import Answer, Exchange, Fate, Moment, Rule
from tests.support.api_server import restart_api_server
from tests.support.bad_installs import BrokenInstall, broken_install
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
WEBHOOK = "blocking.example.com"
FORCE = ("apply", "--server-side", "--force-conflicts")


def run_check(kubeconfig: Path) -> list[dict[str, str]]:
    """Return the findings of `check`, as it prints them."""
    command = [sys.executable, "-m", "modelservice_operator", "check", "--kubeconfig", str(kubeconfig), "-o", "json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    findings: list[dict[str, str]] = json.loads(result.stdout)["findings"]
    assert result.returncode == any(one["level"] == "error" for one in findings)
    return findings


def levels_of(kubeconfig: Path) -> dict[str, str]:
    """Return the most severe level of each finding, by its id."""
    order = {"ok": 0, "warning": 1, "error": 2}
    found: dict[str, str] = {}
    for one in run_check(kubeconfig):
        found[one["id"]] = max(found.get(one["id"], "ok"), one["level"], key=order.__getitem__)
    return found


def names(kubeconfig: Path, broken: BrokenInstall) -> bool:
    """Return True if `check` names a broken install, with its sentence and a fix."""
    return any(
        (one["id"], one["level"]) == (broken.finding, broken.level) and broken.sentence in one["message"] and one["fix"]
        for one in run_check(kubeconfig)
    )


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


def add_account(cluster: Cluster, namespace: str) -> Path:
    """Give another namespace an account with the permissions of the operator; return its credentials."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": namespace}}
    cluster.run_kubectl("create", "-f", "-", stdin=json.dumps(account))
    subject = f"--serviceaccount={namespace}:{ACCOUNT}"
    cluster.run_kubectl("create", "clusterrolebinding", namespace, f"--clusterrole={ACCOUNT}", subject)
    leases = ("leases", "--verb=get,create,update", "--resource=leases.coordination.k8s.io")
    cluster.run_kubectl("--namespace", namespace, "create", "role", *leases)
    cluster.run_kubectl("--namespace", namespace, "create", "rolebinding", "leases", "--role=leases", subject)
    return cluster.service_account_kubeconfig(namespace, ACCOUNT)


def copy_deployment(cluster: Cluster, namespace: str) -> None:
    """Create the operator's Deployment in another namespace, too."""
    [deployment] = (
        body
        for body in yaml.safe_load_all(cluster.run_kubectl("kustomize", str(ROOT / "manifests")))
        if body["kind"] == "Deployment"
    )
    deployment["metadata"]["namespace"] = namespace
    cluster.run_kubectl("create", "-f", "-", stdin=yaml.safe_dump(deployment))


def set_arguments(cluster: Cluster, *arguments: str, namespace: str = NAMESPACE) -> None:
    """Replace the arguments in a Deployment of the operator."""
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": ["run", *arguments]}]
    options = ("--type=json", "-p", json.dumps(patch))
    cluster.run_kubectl("--namespace", namespace, "patch", "deployment", ACCOUNT, *options)


def test_overlapping_lists_are_named_until_separated(plane: Cluster, kubeconfig: Path, tmp_path: Path) -> None:
    """Both operators serve the common namespace, and neither changes what the other has written."""
    broken = broken_install("overlapping-lists")
    first, common, last = (create_namespace(plane, f"overlap-{number}") for number in range(3))
    plane.run_kubectl("create", "namespace", OTHER)
    other = add_account(plane, OTHER)
    copy_deployment(plane, OTHER)

    def lists(namespace: str, *served: str) -> tuple[str, ...]:
        words = tuple(word for one in served for word in ("--namespace", one))
        set_arguments(plane, *words, "--lease-namespace", namespace, namespace=namespace)
        return (*words, "--lease-namespace", namespace)

    try:
        with running_operator(kubeconfig, tmp_path / "first.log", *lists(NAMESPACE, first, common)) as one:
            ns = NamespaceFixture(plane, common, lambda: one.log)
            with running_operator(other, tmp_path / "second.log", *lists(OTHER, common, last)) as two:
                wait_until(lambda: LEADS in one.log and LEADS in two.log, seconds=SECONDS, what="two leaders")
                ns.apply(model_service().named("shared"))
                ns.wait_ready("shared", within=SECONDS)
                assert names(plane.kubeconfig, broken)
                assert [operator.is_running for operator in (one, two)] == [True, True]
                assert ns.get("deployment", "shared")["metadata"]["generation"] == 1
            with running_operator(other, tmp_path / "third.log", *lists(OTHER, last)) as two:
                wait_until(lambda: LEADS in two.log, seconds=SECONDS, what="the leader of the other list")
                assert broken.finding not in levels_of(plane.kubeconfig)
                ns.apply(model_service().named("separated"))
                ns.wait_ready("separated", within=SECONDS)
    finally:
        plane.run_kubectl("delete", "namespace", OTHER, first, common, last)
        plane.run_kubectl("delete", "clusterrolebinding", OTHER)
        install(plane)


class EachVersion(Rule):
    """Every request for the version of the API server."""

    def counts(self, call: Call) -> bool:
        """Return True for requests that are about no resource."""
        return (call.verb, call.resource) == ("get", "")


async def answer_older_version(exchange: Exchange) -> Fate:
    """Put an older version in the answer of the API server. No older one is built for the tests."""
    if exchange.target != "/version" or exchange.answer is None:
        return None
    info = json.loads(exchange.answer.body) | {"minor": "31", "emulationMinor": "31", "gitVersion": "v1.31.14"}
    return Answer(exchange.answer.status, json.dumps(info).encode(), exchange.answer.headers)


async def test_older_kubernetes_is_named_until_upgraded(plane: Cluster, kubeconfig: Path, tmp_path: Path) -> None:
    broken, port = broken_install("older-kubernetes"), free_port()

    def serve(log: Path, proxied: Path, *, is_older: bool) -> None:
        ns = NamespaceFixture(plane, create_namespace(plane, "older"), lambda: operator.log)
        arguments = ("--lease-namespace", NAMESPACE, "--namespace", ns.namespace, "--probe-port", str(port))
        with running_operator(proxied, log, *arguments) as operator:
            ns.apply(model_service())
            ns.wait_ready(within=SECONDS)
            assert get_health(port, "/healthz") == (HTTPStatus.OK, [])
            assert (broken.sentence in operator.log) == is_older
            assert names(proxied, broken) == is_older

    async with FaultProxy.before(kubeconfig) as proxy:
        proxied = proxy.kubeconfig(kubeconfig, tmp_path / "kubeconfig")
        older = EachVersion("get", "", 1, Moment.COMMITTED, answer_older_version)
        proxy.rules.arm(older)
        await asyncio.to_thread(serve, tmp_path / "older.log", proxied, is_older=True)
        proxy.rules.disarm(older)
        await asyncio.to_thread(serve, tmp_path / "upgraded.log", proxied, is_older=False)


def test_emulated_kubernetes_is_named(plane: Cluster) -> None:
    """An API server that emulates an older version serves what that one does."""
    emulation = ["--emulated-version=1.36"]
    restart_api_server(plane, add=emulation)
    try:
        [found] = [one for one in run_check(plane.kubeconfig) if one["id"] == "kubernetes"]
    finally:
        restart_api_server(plane, remove=emulation)
    assert found["message"].startswith("Kubernetes v1.36 (emulated by v1.37.")


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


def set_wrong_arguments(cluster: Cluster) -> None:
    set_arguments(cluster, "--workers", "none")


def install_again(cluster: Cluster) -> None:
    """Install a second operator, which serves all namespaces as the first one does, with another Lease."""
    cluster.run_kubectl("create", "namespace", OTHER)
    cluster.run_kubectl("--namespace", OTHER, "create", "serviceaccount", ACCOUNT)
    copy_deployment(cluster, OTHER)


def remove_second_install(cluster: Cluster) -> None:
    cluster.run_kubectl("delete", "namespace", OTHER)


POLICY_API = "admissionregistration.k8s.io/v1"
WITHOUT_POLICIES = (
    f"--runtime-config={POLICY_API}/validatingadmissionpolicies=false,{POLICY_API}/validatingadmissionpolicybindings=false",
    # It waits for its policies, and would refuse every write.
    "--disable-admission-plugins=ValidatingAdmissionPolicy",
)
"""Flags of an API server that does not know the policies."""


def disable_policy_api(cluster: Cluster) -> None:
    """Restart the API server, and apply the manifests: kubectl names what it cannot apply."""
    assert cluster.state is not None
    restart_api_server(cluster, add=WITHOUT_POLICIES)
    cache = f"--cache-dir={cluster.state / 'kubectl-without-policies'}"  # of the kinds that the API server serves
    with pytest.raises(ClusterError, match='no matches for kind "ValidatingAdmissionPolicy"'):
        cluster.run_kubectl(cache, *FORCE, "-k", str(ROOT / "manifests"))


def enable_policy_api(cluster: Cluster) -> None:
    restart_api_server(cluster, remove=WITHOUT_POLICIES)
    install(cluster)


def block_by_webhook(cluster: Cluster, group: str, resource: str) -> None:
    """Let a webhook intercept creations, whose Service does not exist; return when it is in force."""
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}
    webhook = {
        "name": WEBHOOK,
        "clientConfig": {"service": {"namespace": OTHER, "name": "blocking"}},
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    kind = "ValidatingWebhookConfiguration"
    api = "admissionregistration.k8s.io/v1"
    body = {"apiVersion": api, "kind": kind, "metadata": {"name": WEBHOOK}, "webhooks": [webhook]}
    cluster.run_kubectl("create", "-f", "-", stdin=json.dumps(body))
    probe = {
        "deployments": ("create", "deployment", "probe", "--image=probe", "--dry-run=server"),
        "leases": ("create", "-f", "-", "--dry-run=server"),
    }[resource]
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "probe"}}

    def is_blocked() -> bool:
        try:
            cluster.run_kubectl(*probe, stdin=json.dumps(lease))
        except ClusterError as error:
            return "failed calling webhook" in str(error)
        return False

    wait_until(is_blocked, seconds=SECONDS, what=f"a webhook that blocks {resource}")


def block_deployments(cluster: Cluster) -> None:
    block_by_webhook(cluster, "apps", "deployments")


def delete_webhook(cluster: Cluster) -> None:
    cluster.run_kubectl("delete", "validatingwebhookconfiguration", WEBHOOK)


@dataclass(frozen=True, kw_only=True)
class BadInstall:
    """A change that breaks the install."""

    broken: BrokenInstall
    break_it: Callable[[Cluster], None]
    mend: Callable[[Cluster], None] = install
    said: str = ""
    """Part of the log, or of the message of a condition. Empty if the operator works as before and cannot notice it."""
    has_crd: bool = True

    def __str__(self) -> str:
        return self.broken.name


BAD_INSTALLS = (
    BadInstall(broken=broken_install("older-rules"), break_it=annotate_older_version),
    BadInstall(
        broken=broken_install("older-crd"), break_it=apply_older_crd, said="The API server drops status.address"
    ),
    BadInstall(
        broken=broken_install("missing-crd"),
        break_it=delete_crd,
        said="are not served: install their CRD",
        has_crd=False,
    ),
    BadInstall(
        broken=broken_install("missing-verb"),
        break_it=revoke_create_of_services,
        said='cannot create resource "services"',
    ),
    BadInstall(broken=broken_install("unbound-policy"), break_it=delete_binding),
    BadInstall(broken=broken_install("no-policy-api"), break_it=disable_policy_api, mend=enable_policy_api),
    BadInstall(broken=broken_install("wrong-arguments"), break_it=set_wrong_arguments),
    BadInstall(broken=broken_install("second-install"), break_it=install_again, mend=remove_second_install),
    BadInstall(
        broken=broken_install("missing-webhook"),
        break_it=block_deployments,
        mend=delete_webhook,
        said=f'failed calling webhook "{WEBHOOK}"',
    ),
)


def test_check_of_a_good_install_passes(installation: Installation, kubeconfig: Path) -> None:
    """With the account of the operator, as `helm test` runs it."""
    installation.serve("good")
    found = levels_of(kubeconfig)
    assert "error" not in found.values()
    assert {found[name] for name in ("operator", "leader", "permissions", "crd")} == {"ok"}
    assert {name for name in found if name.endswith("-unreadable")} >= {"crd-unreadable", "webhooks-unreadable"}


@pytest.mark.parametrize("bad", BAD_INSTALLS, ids=str)
def test_bad_install_is_named_until_mended(plane: Cluster, installation: Installation, bad: BadInstall) -> None:
    operator, ns, name = installation.operator, installation.ns, str(bad)
    assert bad.broken.finding not in levels_of(plane.kubeconfig)
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
        assert names(plane.kubeconfig, bad.broken)
    finally:
        bad.mend(plane)
    if bad.has_crd:
        ns.wait_ready(name, within=SECONDS)
    installation.serve(f"{name}-mended")
    installation.assert_alive()
    assert bad.broken.finding not in levels_of(plane.kubeconfig)


def test_wrong_arguments_are_named_in_the_log() -> None:
    """The pod ends, and its log is this sentence."""
    command = [sys.executable, "-m", "modelservice_operator", "run", "--workers", "none"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "error: argument --workers: " in result.stderr


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
    BadInstall(
        broken=broken_install("missing-namespace"),
        break_it=delete_lease_home,
        said=f"create the namespace {LEASE_HOME}",
    ),
    BadInstall(
        broken=broken_install("terminating-namespace"),
        break_it=terminate_lease_home,
        said="wait until the namespace is deleted",
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
            assert names(plane.kubeconfig, bad.broken)
            create_lease_home(plane)
            wait_until(lambda: LEADS in operator.log, seconds=SECONDS, what="a leader")
            assert bad.broken.finding not in levels_of(plane.kubeconfig)
    finally:
        install(plane)
        plane.run_kubectl("delete", "namespace", LEASE_HOME, "--ignore-not-found")
        plane.run_kubectl("delete", "clusterrolebinding,clusterrole", "all-leases")


def test_webhook_on_leases_is_named_until_deleted(plane: Cluster, kubeconfig: Path, tmp_path: Path) -> None:
    broken, port = broken_install("webhook-on-leases"), free_port()
    arguments = ("--lease-namespace", NAMESPACE, "--lease-name", "blocked", "--probe-port", str(port))
    block_by_webhook(plane, "coordination.k8s.io", "leases")
    try:
        with running_operator(kubeconfig, tmp_path / "operator.log", *arguments) as operator:
            said = "repair the admission webhook that the message names, or delete its configuration"
            wait_until(lambda: said in operator.log, seconds=SECONDS, what=f"{said!r} in the log")
            assert f'failed calling webhook "{WEBHOOK}"' in operator.log
            assert get_health(port, "/healthz") == (HTTPStatus.OK, [])
            assert names(plane.kubeconfig, broken)
            delete_webhook(plane)
            wait_until(lambda: LEADS in operator.log, seconds=SECONDS, what="a leader")
            assert broken.finding not in levels_of(plane.kubeconfig)
    finally:
        plane.run_kubectl("delete", "validatingwebhookconfiguration", WEBHOOK, "--ignore-not-found")
        plane.run_kubectl("--namespace", NAMESPACE, "delete", "lease", "blocked", "--ignore-not-found")


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
    ns, name, broken = installation.ns, "autoscaled", broken_install("no-metrics-server")
    ns.apply(model_service().named(name).autoscaled(max_replicas=3, cpu=50))

    def autoscaler() -> Any:
        return ns.condition(name, "AutoscalerReady")

    advised = "Install metrics-server"
    ns.wait(lambda: advised in autoscaler().get("message", ""), advised, within=SECONDS, name=name)
    assert names(plane.kubeconfig, broken)
    register_metrics_api(plane)
    try:
        store_metrics(ns)
        ns.wait(lambda: autoscaler().get("status") == "True", "autoscaler that works", within=SECONDS, name=name)
        found = levels_of(plane.kubeconfig)
        assert (broken.finding not in found, found["metrics-api"]) == (True, "ok")
    finally:
        plane.run_kubectl("delete", "crd", METRICS)
    installation.assert_alive()
