"""Fixtures: the operator on a real control plane with simulated nodes, under exactly the role of manifests/."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.environment.audit import AuditTrail
from tests.environment.cluster import Cluster
from tests.environment.faults.lab import Lab, open_lab
from tests.support.dry_run import DryRunClient, open_dry_run_client
from tests.support.installation import ACCOUNT, NAMESPACE, USER, install_without_operator
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator

DIRECTORIES = tuple(Path(__file__).parents[1] / name for name in ("integration", "sweeps"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in these directories needs the control plane."""
    for item in items:
        if any(directory in item.path.parents for directory in DIRECTORIES):
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


@pytest.fixture(scope="module")
def server(control_plane: Cluster, operator_kubeconfig: Path) -> Iterator[DryRunClient]:
    """A client for dry runs; the CRD and the permissions of the operator are installed."""
    assert operator_kubeconfig.exists()  # the CRD is installed
    with open_dry_run_client(control_plane.kubeconfig) as server:
        yield server


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
