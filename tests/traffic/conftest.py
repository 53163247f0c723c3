"""A node with a fast autoscaler, and the operator as a process that a test can kill."""

from collections.abc import Iterator

import pytest

from tests.environment import images
from tests.environment.cluster import Cluster, Tier, start
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.images import ImageName
from tests.support.installation import ACCOUNT, NAMESPACE, install_without_operator
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator

AUTOSCALER_FLAGS = (
    "--horizontal-pod-autoscaler-sync-period=5s",
    "--horizontal-pod-autoscaler-cpu-initialization-period=10s",
    "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
)


@pytest.fixture(scope="session")
def traffic_cluster() -> Iterator[Cluster]:
    """A node with two images that contain Python."""
    built = images.build([ImageName.DIABETES, ImageName.OPERATOR])
    with start(Tier.NODE, flags={"kube-controller-manager": AUTOSCALER_FLAGS}) as cluster:
        for image in built.values():
            cluster.load_image(image.archive)
        install_without_operator(cluster)
        yield cluster


@pytest.fixture(scope="session")
def operator(traffic_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """The operator with exactly the permissions of its role."""
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with running_operator(traffic_cluster.service_account_kubeconfig(NAMESPACE, ACCOUNT), log) as process:
        yield process


@pytest.fixture(scope="module")
def ns(traffic_cluster: Cluster, operator: OperatorProcess) -> NamespaceFixture:
    return NamespaceFixture(traffic_cluster, create_namespace(traffic_cluster, "traffic"), lambda: operator.log)
