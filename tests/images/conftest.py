"""A node with one image for each habit, and the operator as a process."""

from collections.abc import Iterator

import pytest

from tests.environment import images
from tests.environment.cluster import Cluster, Tier, start
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.images import ImageName
from tests.environment.images.variants import write_variants
from tests.images.habits import HABITS
from tests.support.installation import ACCOUNT, NAMESPACE, install_without_operator
from tests.support.namespace import NamespaceFixture
from tests.support.operator import running_operator


@pytest.fixture(scope="session")
def ns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamespaceFixture]:
    """A namespace on a node that has the images."""
    folder = tmp_path_factory.mktemp("images")
    built = images.build(ImageName.HABITS)[ImageName.HABITS]
    write_variants(built.archive, folder / "variants.tar", [habit.variant for habit in HABITS])
    with start(Tier.NODE) as cluster:
        cluster.load_image(folder / "variants.tar")
        install_without_operator(cluster)
        kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, ACCOUNT)
        with running_operator(kubeconfig, folder / "operator.log") as operator:
            yield NamespaceFixture(cluster, _namespace(cluster), lambda: operator.log)


def _namespace(cluster: Cluster) -> str:
    return create_namespace(cluster, "images")
