"""/healthz and /readyz of a real operator, over IPv4 and IPv6."""

import http
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelservice_operator.client.permissions import Permission
from tests.environment.cluster import Cluster
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.cluster.wait import wait_until
from tests.support.health import free_port, get_health
from tests.support.installation import ACCOUNT
from tests.support.operator import OperatorProcess
from tests.support.roles import create_account, grant, operator_permissions, without

DEPLOYMENTS = Permission("list", "deployments", "apps")


@pytest.fixture
def account(control_plane: Cluster, operator_kubeconfig: Path) -> Iterator[tuple[str, Path]]:
    """A namespace whose account has no permission yet, and its kubeconfig."""
    assert operator_kubeconfig.exists()  # the CRD is installed
    namespace = create_namespace(control_plane, "health")
    create_account(control_plane, namespace)
    yield namespace, control_plane.service_account_kubeconfig(namespace, ACCOUNT)
    control_plane.run_kubectl("delete", "namespace", "--wait=false", namespace)


def test_readiness_follows_permissions(control_plane: Cluster, account: tuple[str, Path], tmp_path: Path) -> None:
    """Not ready without what every ModelService needs; alive all the time, since a restart would not help."""
    (namespace, kubeconfig), port = account, free_port()
    grant(control_plane, namespace, without(DEPLOYMENTS), account_namespace=namespace)
    arguments = ("--namespace", namespace, "--discovery-seconds", "1", "--probe-port", str(port))
    operator = OperatorProcess(kubeconfig, tmp_path / "operator.log", arguments)
    try:
        operator.start()
        denied = f"not allowed to list deployments.apps in namespace {namespace}"
        wait_until(lambda: denied in "".join(get_health(port, "/readyz")[1]), seconds=60, what="a problem")
        status, [problem] = get_health(port, "/readyz")
        assert (status, denied in problem) == (http.HTTPStatus.SERVICE_UNAVAILABLE, True)
        assert get_health(port, "/healthz") == (http.HTTPStatus.OK, [])
        grant(control_plane, namespace, operator_permissions(), account_namespace=namespace)
        wait_until(lambda: get_health(port, "/readyz")[0] == http.HTTPStatus.OK, seconds=60, what="readiness")
        if socket.has_dualstack_ipv6():
            assert get_health(port, "/readyz", "::1") == (http.HTTPStatus.OK, [])
    finally:
        if operator.is_running:
            operator.stop()
    assert operator.tracebacks == []


def test_rejected_credentials_are_not_ready(control_plane: Cluster, account: tuple[str, Path], tmp_path: Path) -> None:
    """A standby is ready although another replica leads; not after its account is gone."""
    (namespace, kubeconfig), port = account, free_port()
    lease = [Permission(verb, "leases", "coordination.k8s.io") for verb in ("get", "create", "update")]
    grant(control_plane, namespace, [*operator_permissions(), *lease], account_namespace=namespace)
    arguments = ("--namespace", namespace, "--lease-namespace", namespace)
    leader = OperatorProcess(kubeconfig, tmp_path / "leader.log", arguments)
    standby = OperatorProcess(kubeconfig, tmp_path / "standby.log", (*arguments, "--probe-port", str(port)))
    try:
        leader.start()
        wait_until(lambda: "Became leader" in leader.log, seconds=60, what="a leader")
        standby.start()
        wait_until(lambda: get_health(port, "/readyz") == (http.HTTPStatus.OK, []), seconds=60, what="a ready standby")
        assert "Became leader" not in standby.log
        control_plane.run_kubectl("--namespace", namespace, "delete", "serviceaccount", ACCOUNT)
        rejected = (http.HTTPStatus.SERVICE_UNAVAILABLE, ["The API server rejects the credentials."])
        wait_until(lambda: get_health(port, "/readyz") == rejected, seconds=90, what="rejected credentials")
        assert get_health(port, "/healthz") == (http.HTTPStatus.OK, [])
    finally:
        for operator in (leader, standby):
            if operator.is_running:
                operator.stop()
