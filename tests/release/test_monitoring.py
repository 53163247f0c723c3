"""A real Prometheus scrapes real operators: queries return series, and real faults fire alerts."""

import http.client
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from modelservice_operator.client.permissions import Permission
from tests.environment.cluster import Cluster, Tier, start
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.cluster.system import unpacked
from tests.environment.cluster.wait import wait_until
from tests.support.builders import model_service
from tests.support.health import free_port
from tests.support.installation import ACCOUNT, NAMESPACE, install_without_operator
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator
from tests.support.prometheus import (
    Prometheus,
    alert_queries,
    alerts,
    dashboard_queries,
    running_prometheus,
)
from tests.support.roles import apply_all, create_account, grant, without

pytestmark = [pytest.mark.control_plane, pytest.mark.timeout(900)]
SECONDS = 180.0
"""Deadline of each wait: no claim on time."""
MAY_BE_EMPTY = {
    "Loads: {{reason}}": "no loader runs on simulated nodes",
    "Restarts of watches: {{kind}} {{cause}}": "the API server ends a watch after 5 minutes",
    "ModelServiceAPIRequestsFailing": "has series once a request has failed; fires below",
    "ModelServiceRequestsForbidden": "has series once a request was forbidden; fires below",
}
"""Queries that need not have series in a short run without faults, and why."""
NOT_PROVOKED = {
    "ModelServiceAPIRequestsSlow": "10 minutes of slow requests",
    "ModelServiceQueueStalled": "all workers busy for a minute",
    "ModelServiceWatchStale": "a watch that is silent for 15 minutes",
}
"""Alerts whose fault takes too long here; tests/release/test_alert_rules.py has their series."""
HPA = Permission("list", "horizontalpodautoscalers", "autoscaling")
CREATE = Permission("create", "deployments", "apps")


@pytest.fixture(scope="module")
def plane() -> Iterator[Cluster]:
    """A control plane with the installation; that of other files may be without it."""
    with start(Tier.CONTROL_PLANE) as cluster:
        install_without_operator(cluster)
        yield cluster


def wait_for_alert(
    prometheus: Prometheus, name: str, labels: Mapping[str, str] | None = None, *, act: Callable[[], None] | None = None
) -> None:
    """Wait until an alert fires with these labels; `act` causes the fault repeatedly."""

    def fires() -> bool:
        if act is not None:
            act()
        return any((labels or {}).items() <= found.items() for found in prometheus.firing().get(name, ()))

    wait_until(fires, seconds=SECONDS, what=f"the alert {name}", pause=0.5)


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
        wait_for_alert(prometheus, "ModelServiceDriftFight", labels, act=delete_service)
        wait_for_alert(prometheus, "ModelServiceNotReady", {"reason": "Unschedulable"})

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


def hold_lease(cluster: Cluster, namespace: str, name: str) -> None:
    """Create a Lease whose holder does not renew it, and which does not expire during the test."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
    spec = {"holderIdentity": "gone", "leaseDurationSeconds": 86400, "acquireTime": now, "renewTime": now}
    metadata = {"name": name, "namespace": namespace}
    apply_all(cluster, [{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}])


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
        wait_for_alert(prometheus, "ModelServiceNoLeader", {"name": "held"})

        def apply_another() -> None:
            name = f"model-{time.monotonic_ns()}"
            body = model_service().named(name, namespace=namespace).manifest()
            plane.run_kubectl("apply", "-f", "-", stdin=yaml.safe_dump(body))

        wait_for_alert(prometheus, "ModelServiceReconcileErrors", act=apply_another)
        wait_for_alert(prometheus, "ModelServiceRequestsForbidden", {"method": "GET"})

        def stop_and_continue() -> None:
            assert operator.process is not None
            operator.process.send_signal(signal.SIGSTOP)
            time.sleep(4)
            operator.process.send_signal(signal.SIGCONT)
            time.sleep(4)

        wait_for_alert(prometheus, "ModelServiceEventLoopBlocked", act=stop_and_continue)
        plane.run_kubectl("--namespace", namespace, "delete", "serviceaccount", ACCOUNT)
        wait_for_alert(prometheus, "ModelServiceAPIRequestsFailing", act=apply_another)
        assert "ModelServiceOperatorDown" not in prometheus.firing()
        for process in (operator, standby):
            stop(process)
        wait_for_alert(prometheus, "ModelServiceOperatorDown")


def test_all_alerts_are_provoked_or_listed() -> None:
    provoked = set(alerts()) - set(NOT_PROVOKED)
    text = Path(__file__).read_text(encoding="utf-8")
    assert {name for name in alerts() if f'wait_for_alert(prometheus, "{name}"' in text} == provoked
