"""Helm installs, upgrades, rolls back and removes the operator on a control plane, and takes over from kustomize."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.environment.cluster import Cluster, ClusterError, Tier, start
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.packaging.rendering import CHART, MANIFESTS, NAMESPACE, RELEASE, build, objects, run_helm
from tests.support.builders import model_service

pytestmark = [pytest.mark.control_plane, pytest.mark.timeout(600)]
CRD = "modelservices.modelservice.dev"
KINDS = (
    "serviceaccounts,roles,rolebindings,deployments,poddisruptionbudgets,networkpolicies,clusterroles,clusterrolebindings,"
    "priorityclasses,validatingadmissionpolicies,validatingadmissionpolicybindings,customresourcedefinitions"
)
MAX_SECRET_BYTES = 1024 * 1024
"""Largest Secret (core/v1, MaxSecretSize), in which Helm stores a revision."""
SECONDS = "120s"


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
