"""The namespaced install: a Role in one namespace is enough, and other namespaces are none of its business."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.environment.audit import AuditTrail
from tests.environment.cluster import Cluster
from tests.environment.cluster.fixtures import create_namespace
from tests.support.builders import model_service
from tests.support.installation import ACCOUNT, ROOT
from tests.support.namespace import TestNamespace
from tests.support.operator import OperatorProcess, running_operator

CLUSTER_SCOPED = {"CustomResourceDefinition", "Namespace", "ClusterRole", "ClusterRoleBinding"}


@pytest.fixture(scope="module")
def operator(
    control_plane: Cluster, operator_kubeconfig: Path, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """An operator installed by manifests/namespaced in the module's namespace."""
    assert operator_kubeconfig.exists()  # the CRD is installed
    rendered = control_plane.run_kubectl("kustomize", str(ROOT / "manifests" / "namespaced"))
    # As a user would: the placeholder becomes the name of the own namespace.
    bodies = list(yaml.safe_load_all(rendered.replace("namespace: models", f"namespace: {namespace}")))
    assert CLUSTER_SCOPED.isdisjoint(body["kind"] for body in bodies)
    without_pod = [body for body in bodies if body["kind"] != "Deployment"]
    control_plane.run_kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(without_pod))
    kubeconfig = control_plane.service_account_kubeconfig(namespace, ACCOUNT)
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with running_operator(kubeconfig, log, "--namespace", namespace, "--lease-namespace", namespace) as operator:
        yield operator


def test_only_its_own_namespace_is_served(control_plane: Cluster, world: TestNamespace) -> None:
    trail = AuditTrail(control_plane, f"system:serviceaccount:{world.namespace}:{ACCOUNT}", start=0)
    elsewhere = TestNamespace(control_plane, create_namespace(control_plane, "elsewhere"), world.operator_log)
    elsewhere.apply(model_service())
    world.apply(model_service().autoscaled(max_replicas=3))
    world.wait_ready()
    world.kubectl("delete", "service", "iris")
    world.wait(lambda: world.get("service", "iris"), "new Service")
    assert elsewhere.get("deployment", "iris") is None
    assert elsewhere.service()["status"] == {"observedGeneration": -1}
    assert trail.refused() == []
    assert set(trail.writes(elsewhere.namespace)) == set()
