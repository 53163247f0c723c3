"""The operator on a real control plane with simulated nodes, under exactly the role that manifests/ gives it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.environment.audit import AuditTrail
from tests.environment.cluster import Cluster
from tests.environment.faults.lab import Lab, open_lab
from tests.support.installation import ACCOUNT, NAMESPACE, USER, install_without_operator
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this directory needs the control plane."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.control_plane)


@pytest.fixture(scope="session")
def operator_kubeconfig(control_plane: Cluster) -> Path:
    """Credentials of the operator's own service account."""
    install_without_operator(control_plane)
    return control_plane.service_account_kubeconfig(NAMESPACE, ACCOUNT)


@pytest.fixture(scope="module")
def operator(operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """A running operator, one a module."""
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with running_operator(operator_kubeconfig, log) as operator:
        yield operator


@pytest.fixture(scope="module")
def ns(control_plane: Cluster, namespace: str, operator: OperatorProcess) -> NamespaceFixture:
    """The module's namespace."""
    return NamespaceFixture(control_plane, namespace, lambda: operator.log)


@pytest.fixture
def audit(control_plane: Cluster, operator: OperatorProcess) -> AuditTrail:
    """The operator's requests from the start of the test."""
    assert operator.is_running
    return AuditTrail(control_plane, USER)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lab(
    control_plane: Cluster, operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Lab]:
    """The control plane under observation, for tests whose operators stand behind a fault proxy."""
    async with open_lab(control_plane, operator_kubeconfig, tmp_path_factory.mktemp("lab")) as lab:
        yield lab
