"""While nothing changes, the operator only renews its watches, also where the API server sends no bookmarks.

On old versions a watch of a kind that does not change gets none: its start is newer than the kind's last change.
"""

import time
from collections.abc import Iterator

import pytest

from tests.environment.audit import AuditWindow
from tests.environment.cluster import Cluster, Tier, start
from tests.environment.cluster.fixtures import create_namespace
from tests.support.builders import model_service
from tests.support.installation import ACCOUNT, NAMESPACE, USER, install_without_operator
from tests.support.kubernetes import server_minor
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator

REST_SECONDS = 180
CALM_SECONDS = 10
LAST_QUIET_MINOR = 33
pytestmark = [
    pytest.mark.core,
    pytest.mark.timeout(400),
    pytest.mark.skipif(server_minor() > LAST_QUIET_MINOR, reason="newer versions send bookmarks"),
]


@pytest.fixture(scope="module")
def quiet_cluster() -> Iterator[Cluster]:
    """A control plane without other tests: any change of a kind would give its watches bookmarks."""
    with start(Tier.CONTROL_PLANE) as running:
        install_without_operator(running)
        yield running


@pytest.fixture(scope="module")
def operator(quiet_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    kubeconfig = quiet_cluster.service_account_kubeconfig(NAMESPACE, ACCOUNT)
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with running_operator(kubeconfig, log, "--discovery-seconds", "3600") as operator:
        yield operator


@pytest.fixture(scope="module")
def ns(quiet_cluster: Cluster, operator: OperatorProcess) -> NamespaceFixture:
    return NamespaceFixture(quiet_cluster, create_namespace(quiet_cluster, "quiet"), lambda: operator.log)


def test_rest_is_silent(quiet_cluster: Cluster, operator: OperatorProcess, ns: NamespaceFixture) -> None:
    ns.apply(model_service())
    ns.wait_ready()
    time.sleep(CALM_SECONDS)
    window, logged = AuditWindow(quiet_cluster.audit_log_path()), operator.log
    time.sleep(REST_SECONDS)
    assert [str(request.call) for request in window.requests(USER) if request.call.verb != "watch"] == []
    assert operator.log == logged


def test_change_after_rest_is_noticed(ns: NamespaceFixture) -> None:
    ns.kubectl("scale", "modelservice/iris", "--replicas=2")
    ns.wait_field("deployment", "iris", "replicas", 2)
