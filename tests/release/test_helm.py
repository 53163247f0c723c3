"""Helm installs, upgrades, rolls back and removes the operator on a control plane, and takes over from kustomize."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.environment.cluster import Cluster, ClusterError, Tier, start
from tests.environment.cluster.errors import DeadlineError
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.cluster.wait import wait_until
from tests.environment.packaging.rendering import (
    CHART,
    MANIFESTS,
    NAMESPACE,
    RELEASE,
    build,
    install_yaml,
    objects,
    run_helm,
)
from tests.support.builders import model_service
from tests.support.installation import ACCOUNT
from tests.support.inventory import inventory
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator

pytestmark = [pytest.mark.control_plane, pytest.mark.timeout(600)]
CRD = "modelservices.modelservice.dev"
KINDS = (
    "serviceaccounts,roles,rolebindings,deployments,poddisruptionbudgets,networkpolicies,clusterroles,clusterrolebindings,"
    "priorityclasses,validatingadmissionpolicies,validatingadmissionpolicybindings,customresourcedefinitions"
)
MAX_SECRET_BYTES = 1024 * 1024
"""Largest Secret (core/v1, MaxSecretSize), in which Helm stores a revision."""
SECONDS = "120s"
LEASE = f"Lease {NAMESPACE}/modelservice-operator"
SPARE = ("--selector", "modelservice.dev/uninstall!=keep", f"--timeout={SECONDS}")
OF_THE_CRD = {f"CustomResourceDefinition /{CRD}", "APIService /v1alpha1.modelservice.dev"}
OF_A_NAMESPACE = {
    f"Namespace /{NAMESPACE}",
    f"ServiceAccount {NAMESPACE}/default",
    f"ConfigMap {NAMESPACE}/kube-root-ca.crt",
}
"""The namespace that Helm creates by --create-namespace, with what Kubernetes puts into each."""


def ours(cluster: Cluster) -> set[str]:
    """Return kind and name of every object of the installation."""
    items = cluster.get(KINDS, "--namespace", NAMESPACE)["items"]
    found = {f"{body['kind']} {body['metadata']['name']}" for body in items}
    return {identity for identity in found if "modelservice" in identity.split()[1]}


def expected() -> set[str]:
    bodies = [body for body in objects(build(MANIFESTS)) if body["kind"] != "Namespace"]
    return {f"{body['kind']} {body['metadata']['name']}" for body in bodies}


def helm(cluster: Cluster, *arguments: str, values: dict[str, Any] | None = None) -> str:
    options = ("--namespace", NAMESPACE, *(("--values", "-") if values is not None else ()))
    stdin = None if values is None else yaml.safe_dump(values)
    return run_helm(*arguments, *options, stdin=stdin, kubeconfig=cluster.kubeconfig)


def model_of(namespace: str) -> str:
    return yaml.safe_dump(model_service().named("iris", namespace=namespace).manifest())


@pytest.fixture
def plane() -> Iterator[Cluster]:
    """A separate control plane without the operator: an install has objects that other tests would see."""
    with start(Tier.CONTROL_PLANE) as cluster:
        assert ours(cluster) == set()
        yield cluster


def deployment(cluster: Cluster) -> dict[str, Any]:
    return cluster.get("deployment", "modelservice-operator", "--namespace", NAMESPACE)


def test_release_is_installed_changed_and_removed(plane: Cluster) -> None:
    namespace = create_namespace(plane, "helm")
    helm(plane, "install", RELEASE, str(CHART), "--create-namespace", "--wait", "--timeout", SECONDS)
    assert ours(plane) == expected()
    plane.run_kubectl("apply", "-f", "-", stdin=model_of(namespace))
    helm(plane, "upgrade", RELEASE, str(CHART), "--wait", "--timeout", SECONDS, values={"replicas": 3})
    assert deployment(plane)["spec"]["replicas"] == 3
    helm(plane, "rollback", RELEASE, "1", "--wait", "--timeout", SECONDS)
    assert deployment(plane)["spec"]["replicas"] == 2
    secrets = plane.get("secrets", "--namespace", NAMESPACE, "--selector", "owner=helm")["items"]
    assert len(secrets) == 3
    assert max(len(secret["data"]["release"]) for secret in secrets) < MAX_SECRET_BYTES
    assert "resource policy" in helm(plane, "uninstall", RELEASE, "--wait", "--timeout", SECONDS)
    assert ours(plane) == {f"CustomResourceDefinition {CRD}"}
    assert len(plane.get("modelservices", "--namespace", namespace)["items"]) == 1


def test_helm_takes_over_from_kustomize_and_back(plane: Cluster) -> None:
    plane.run_kubectl("apply", "--server-side", "-k", str(MANIFESTS))
    with pytest.raises(ClusterError, match="ownership metadata"):
        helm(plane, "install", RELEASE, str(CHART))
    before = deployment(plane)
    helm(plane, "install", RELEASE, str(CHART), "--take-ownership", "--force-conflicts")
    after = deployment(plane)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"]["meta.helm.sh/release-name"] == RELEASE
    # Back: Helm forgets the release, and the objects stay.
    plane.run_kubectl("delete", "secrets", "--namespace", NAMESPACE, "--selector", f"owner=helm,name={RELEASE}")
    plane.run_kubectl("apply", "--server-side", "--force-conflicts", "-k", str(MANIFESTS))
    assert deployment(plane)["spec"] == before["spec"]
    plane.run_kubectl("delete", "-k", str(MANIFESTS))
    assert ours(plane) == set()


def test_one_file_is_applied_with_server_side_apply(plane: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "install.yaml"
    file.write_text(build(MANIFESTS))
    plane.run_kubectl("apply", "--server-side", "-f", str(file))
    assert ours(plane) == expected()
    plane.run_kubectl("apply", "--server-side", "-f", str(file))
    assert deployment(plane)["metadata"]["generation"] == 1


def by_helm(cluster: Cluster, _: Path) -> Callable[[], object]:
    helm(cluster, "install", RELEASE, str(CHART), "--create-namespace", "--wait", "--timeout", SECONDS)
    return lambda: helm(cluster, "uninstall", RELEASE, "--wait", "--timeout", SECONDS)


def by_kustomize(cluster: Cluster, _: Path) -> Callable[[], object]:
    cluster.run_kubectl("apply", "--server-side", "-k", str(MANIFESTS))
    return lambda: cluster.run_kubectl("delete", "-k", str(MANIFESTS), *SPARE)


def by_one_file(cluster: Cluster, folder: Path) -> Callable[[], object]:
    file = folder / "install.yaml"
    file.write_text(install_yaml())
    cluster.run_kubectl("apply", "--server-side", "-f", str(file))
    return lambda: cluster.run_kubectl("delete", "-f", str(file), *SPARE)


@contextmanager
def leading_operator(cluster: Cluster, folder: Path) -> Iterator[OperatorProcess]:
    """The installed operator as a process, which leads: the pods of this tier are simulated."""
    cluster.run_kubectl("wait", "--for=condition=Established", f"crd/{CRD}", f"--timeout={SECONDS}")
    kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, ACCOUNT)
    with running_operator(kubeconfig, folder / "operator.log", "--lease-namespace", NAMESPACE) as operator:
        wait_until(lambda: "Became leader" in operator.log, seconds=120, what="a leader")
        yield operator


@pytest.mark.parametrize(
    ("install", "rest"),
    [(by_helm, OF_A_NAMESPACE), (by_kustomize, set()), (by_one_file, set())],
    ids=["helm", "kustomize", "one file"],
)
def test_uninstall_leaves_the_crd_and_the_models(
    plane: Cluster, tmp_path: Path, install: Callable[[Cluster, Path], Callable[[], object]], rest: set[str]
) -> None:
    """The operator runs and leads while it is uninstalled: it must not create its Lease again."""
    namespace = create_namespace(plane, "users")
    before = inventory(plane)
    uninstall = install(plane, tmp_path)
    with leading_operator(plane, tmp_path) as operator:
        ns = NamespaceFixture(plane, namespace, lambda: operator.log)
        ns.apply(model_service())
        ns.wait_ready(within=120)
        assert LEASE in inventory(plane)
        uninstall()

    def left() -> set[str]:
        """Return the objects that were not there before, apart from those of the user's namespace."""
        return {one for one in inventory(plane) - before if not one.split()[1].startswith(f"{namespace}/")}

    with suppress(DeadlineError):
        wait_until(lambda: left() == OF_THE_CRD | rest, seconds=90, what="the end of the garbage collection", pause=1)
    assert left() == OF_THE_CRD | rest
    assert ns.is_ready()
    pods = plane.get("pods", "--namespace", namespace)["items"]
    assert [pod["metadata"]["labels"]["app.kubernetes.io/instance"] for pod in pods] == ["iris"]
    # Without the CRD, the garbage collector cannot look up the owner of a child: the children go first.
    plane.run_kubectl("delete", "modelservices", "--all", "--all-namespaces", "--cascade=foreground")
    plane.run_kubectl("delete", "crd", CRD)
    with suppress(DeadlineError):
        wait_until(lambda: inventory(plane) - before == rest, seconds=90, what="the deletion of what was left", pause=1)
    assert inventory(plane) - before == rest
