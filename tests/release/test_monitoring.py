"""A real Prometheus scrapes real operators: queries return series, and real faults fire alerts."""

import http.client
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from modelservice_operator.client.permissions import Permission
from tests.environment.cluster import Cluster, Tier, pki, start
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.cluster.system import unpacked
from tests.environment.cluster.wait import wait_until
from tests.environment.hanging_webhook import hanging_webhook
from tests.support.builders import model_service
from tests.support.health import free_port
from tests.support.installation import ACCOUNT, NAMESPACE, ROOT, install_without_operator
from tests.support.leases import hold_lease
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator
from tests.support.prometheus import alert_queries, alerts, dashboard_queries, running_prometheus
from tests.support.roles import (
    apply_all,
    cluster_role_binding,
    create_account,
    grant,
    grant_reviews,
    operator_permissions,
    without,
)
from tests.support.secure_metrics import MountedSecret

pytestmark = [pytest.mark.control_plane, pytest.mark.timeout(900)]
SECONDS = 180.0
"""Deadline of each wait: no claim on time."""
MAY_BE_EMPTY = {
    "Restarts of watches: {{kind}} {{cause}}": "the API server ends a watch after 5 minutes",
    "ModelServiceAPIRequestsFailing": "has series once a request has failed; fires below",
    "ModelServiceRequestsForbidden": "has series once a request was forbidden; fires below",
}
"""Queries that need not have series in a short run without faults, and why."""
MONITORING_TESTS = ROOT / "tests" / "monitoring"
"""Directory of the alerts that take long."""
CLIENT = {"name": "prometheus"}
HPA = Permission("list", "horizontalpodautoscalers", "autoscaling")
CREATE = Permission("create", "deployments", "apps")


@pytest.fixture(scope="module")
def plane() -> Iterator[Cluster]:
    """A control plane with the installation; that of other files may be without it."""
    with start(Tier.CONTROL_PLANE) as cluster:
        install_without_operator(cluster)
        yield cluster


def test_each_alert_has_a_query_or_a_comparison() -> None:
    assert all(query != alerts()[name] for name, query in alert_queries().items())
    assert set(MAY_BE_EMPTY) <= {*alert_queries(), *dashboard_queries()}


def test_queries_return_series_and_models_fire_alerts(plane: Cluster, tmp_path: Path) -> None:
    namespace, port = create_namespace(plane, "monitoring"), free_port()
    kubeconfig = plane.service_account_kubeconfig(NAMESPACE, ACCOUNT)
    arguments = ("--probe-port", str(port), "--namespace", namespace)
    with (
        running_operator(kubeconfig, tmp_path / "operator.log", *arguments) as operator,
        running_prometheus(tmp_path, [port]) as prometheus,
    ):
        ns = NamespaceFixture(plane, namespace, lambda: operator.log)
        for name in ("first", "second", "fight"):
            ns.apply(model_service().named(name))
        ns.apply(model_service().named("nowhere").with_spec(nodeSelector={"there": "is-none"}))
        for name in ("first", "second", "fight"):
            ns.wait_ready(name, within=SECONDS)

        def delete_service() -> None:
            ns.kubectl("delete", "service", "fight", "--ignore-not-found", "--wait=false")

        labels = {"kind": "Service", "action": "create"}
        prometheus.wait_for_alert("ModelServiceDriftFight", labels, act=delete_service)
        prometheus.wait_for_alert("ModelServiceNotReady", {"reason": "Unschedulable"})

        queries = dashboard_queries() | alert_queries()

        def without_series() -> set[str]:
            return {name for name, query in queries.items() if not prometheus.query(query)}

        try:
            wait_until(lambda: without_series() <= set(MAY_BE_EMPTY), seconds=SECONDS, what="series", pause=1)
        finally:
            print("without series:", sorted(without_series()))
        [ready] = prometheus.query('sum(modelservice_models{ready="True"})')
        assert float(ready["value"][1]) >= len(("first", "second"))

        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/metrics")
        exposed = connection.getresponse().read()
        connection.close()
    promtool = unpacked("prometheus", "/usr/bin/promtool")
    found = subprocess.run([promtool, "check", "metrics"], input=exposed, capture_output=True, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, b"")


def stop(operator: OperatorProcess) -> None:
    if operator.is_running:
        operator.stop()


def test_faults_of_the_operator_fire_alerts(plane: Cluster, tmp_path: Path) -> None:
    namespace, port, standby_port = create_namespace(plane, "faults"), free_port(), free_port()
    create_account(plane, namespace)
    grant(plane, namespace, without(HPA, CREATE), account_namespace=namespace)
    kubeconfig = plane.service_account_kubeconfig(namespace, ACCOUNT)
    hold_lease(plane, namespace, "held")
    scope = ("--namespace", namespace, "--discovery-seconds", "1")
    operator = OperatorProcess(kubeconfig, tmp_path / "operator.log", (*scope, "--probe-port", str(port)))
    lease = ("--lease-namespace", namespace, "--lease-name", "held", "--probe-port", str(standby_port))
    standby = OperatorProcess(plane.kubeconfig, tmp_path / "standby.log", (*scope, *lease))
    with ExitStack() as stack:
        for process in (operator, standby):
            stack.callback(stop, process)
            process.start()
        prometheus = stack.enter_context(running_prometheus(tmp_path, [port, standby_port]))
        prometheus.wait_for_alert("ModelServiceNoLeader", {"name": "held"})

        def apply_another() -> None:
            name = f"model-{time.monotonic_ns()}"
            body = model_service().named(name, namespace=namespace).manifest()
            plane.run_kubectl("apply", "-f", "-", stdin=yaml.safe_dump(body))

        prometheus.wait_for_alert("ModelServiceReconcileErrors", act=apply_another)
        prometheus.wait_for_alert("ModelServiceRequestsForbidden", {"method": "GET"})

        def stop_and_continue() -> None:
            assert operator.process is not None
            operator.process.send_signal(signal.SIGSTOP)
            time.sleep(4)
            operator.process.send_signal(signal.SIGCONT)
            time.sleep(4)

        prometheus.wait_for_alert("ModelServiceEventLoopBlocked", act=stop_and_continue)
        plane.run_kubectl("--namespace", namespace, "delete", "serviceaccount", ACCOUNT)
        prometheus.wait_for_alert("ModelServiceAPIRequestsFailing", act=apply_another)
        assert "ModelServiceOperatorDown" not in prometheus.firing()
        for process in (operator, standby):
            stop(process)
        prometheus.wait_for_alert("ModelServiceOperatorDown")


SLOW_MODELS = 10
"""More than one worker can try in a minute: the API server waits 10 s for the TLS handshake of a webhook."""


def test_hanging_webhook_fires_alerts(plane: Cluster, tmp_path: Path) -> None:
    """Each write of a child waits for a webhook: requests are slow, and the only worker is busy."""
    namespace, port = create_namespace(plane, "slow"), free_port()
    kubeconfig = plane.service_account_kubeconfig(NAMESPACE, ACCOUNT)
    arguments = ("--probe-port", str(port), "--namespace", namespace, "--workers", "1")
    with (
        running_operator(kubeconfig, tmp_path / "operator.log", *arguments),
        running_prometheus(tmp_path, [port]) as prometheus,
        hanging_webhook(plane, namespace) as webhook,
    ):
        names = [f"model-{number}" for number in range(SLOW_MODELS)]
        bodies = [model_service().named(name, namespace=namespace).manifest() for name in names]
        plane.run_kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(bodies))
        prometheus.wait_for_alert("ModelServiceAPIRequestsSlow", {"verb": "POST"})
        prometheus.wait_for_alert("ModelServiceQueueStalled")
        slow = {alert["verb"] for alert in prometheus.firing()["ModelServiceAPIRequestsSlow"]}
        assert "GET" not in slow  # the runbook tells the two causes apart by this
        assert webhook.calls >= 1


def test_prometheus_scrapes_over_tls_with_its_token(plane: Cluster, tmp_path: Path) -> None:
    """As the ServiceMonitor of components/secure-monitoring: https, and the token of a service account from a file."""
    namespace, port = create_namespace(plane, "secure"), free_port()
    create_account(plane, namespace)
    grant(plane, namespace, operator_permissions(), account_namespace=namespace)
    grant_reviews(plane, namespace)
    apply_all(plane, [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": CLIENT | {"namespace": namespace}}])
    apply_all(plane, [cluster_role_binding("modelservice-metrics-reader", CLIENT["name"], namespace)])
    token = plane.run_kubectl("create", "token", CLIENT["name"], f"--namespace={namespace}").strip()
    pki.write_private(tmp_path / "token", token.encode())
    secret, authority = MountedSecret(tmp_path / "certificate"), pki.Authority.create("metrics")
    secret.issue(authority)
    (tmp_path / "ca.crt").write_bytes(authority.pair.certificate)
    arguments = ("--namespace", namespace, "--probe-port", "0", "--secure-metrics-port", str(port))
    endpoint = {
        "scheme": "https",
        "authorization": {"credentials_file": str(tmp_path / "token")},
        "tls_config": {"ca_file": str(tmp_path / "ca.crt"), "server_name": "127.0.0.1"},
    }
    kubeconfig = plane.service_account_kubeconfig(namespace, ACCOUNT)
    certificate = ("--metrics-cert-path", str(secret.path))
    with (
        running_operator(kubeconfig, tmp_path / "operator.log", *arguments, *certificate),
        running_prometheus(tmp_path, [port], endpoint) as prometheus,  # waits for a scrape that succeeded
    ):
        wait_until(
            lambda: prometheus.query(alert_queries()["ModelServiceOperatorDown"]), seconds=SECONDS, what="a series"
        )
        pki.write_private(tmp_path / "token", b"wrong")
        wait_until(lambda: prometheus.query("up == 0"), seconds=SECONDS, what="a scrape that is refused")


def test_each_alert_is_fired_by_a_fault() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (Path(__file__), *MONITORING_TESTS.glob("test_*.py"))]
    named = {name for name in alerts() if any(f'wait_for_alert("{name}"' in text for text in texts)}
    assert named == set(alerts())
