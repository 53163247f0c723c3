"""The operator as a pod on a real node, installed from manifests/, with images built from the real Dockerfiles."""

from pathlib import Path

import pytest

from tests.environment import images
from tests.environment.cluster import Cluster
from tests.support.installation import install_operator, operator_log
from tests.support.namespace import NamespaceFixture

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this directory needs a node, and a cold machine builds for it first."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.node)
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def installed(node_cluster: Cluster) -> Cluster:
    """The node with images and a running operator."""
    built = images.build()
    for image in built.values():
        node_cluster.load_image(image.archive)
    install_operator(node_cluster, images=built)
    return node_cluster


@pytest.fixture(scope="module")
def ns(installed: Cluster, node_namespace: str) -> NamespaceFixture:
    """The module's namespace on the node."""
    return NamespaceFixture(installed, node_namespace, lambda: operator_log(installed))
