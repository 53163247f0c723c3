"""The namespaced install needs only a Role in one namespace and ignores other namespaces."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.environment.audit import AuditTrail
from tests.environment.cluster import Cluster
from tests.environment.cluster.fixtures import create_namespace
from tests.support.builders import model_service
from tests.support.installation import ACCOUNT, ROOT
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator

CLUSTER_SCOPED = {"CustomResourceDefinition", "Namespace", "ClusterRole", "ClusterRoleBinding"}


@pytest.fixture(scope="module")
def operator(
    control_plane: Cluster, operator_kubeconfig: Path, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """An operator installed by manifests/namespaced in the module's namespace."""
    assert operator_kubeconfig.exists()  # the CRD is installed
    rendered = control_plane.run_kubectl("kustomize", str(ROOT / "manifests" / "namespaced"))
    # As documented for users: replace the placeholder by the namespace.
    bodies = list(yaml.safe_load_all(rendered.replace("namespace: models", f"namespace: {namespace}")))
    assert CLUSTER_SCOPED.isdisjoint(body["kind"] for body in bodies)
    without_deployment = [body for body in bodies if body["kind"] != "Deployment"]
    control_plane.run_kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(without_deployment))
    kubeconfig = control_plane.service_account_kubeconfig(namespace, ACCOUNT)
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with running_operator(kubeconfig, log, "--namespace", namespace, "--lease-namespace", namespace) as operator:
        yield operator


def test_operator_serves_only_its_namespace(control_plane: Cluster, ns: NamespaceFixture) -> None:
    trail = AuditTrail(control_plane, f"system:serviceaccount:{ns.namespace}:{ACCOUNT}", start=0)
    other = NamespaceFixture(control_plane, create_namespace(control_plane, "elsewhere"), ns.operator_log)
    other.apply(model_service())
    ns.apply(model_service().autoscaled(max_replicas=3))
    ns.wait_ready()
    ns.kubectl("delete", "service", "iris")
    ns.wait(lambda: ns.get("service", "iris"), "new Service")
    assert other.get("deployment", "iris") is None
    assert other.get_model_service()["status"] == {"observedGeneration": -1}
    assert trail.refused() == []
    assert set(trail.writes(other.namespace)) == set()
