"""The alert that takes 15 minutes: a kind whose watch can no longer be opened."""

import time
from asyncio import to_thread
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.environment.cluster import Cluster
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.cluster.wait import wait_until
from tests.environment.faults.actions import Drop
from tests.environment.faults.proxy import FaultProxy
from tests.environment.faults.rules import Moment, Rule
from tests.support.health import free_port
from tests.support.operator import OperatorProcess
from tests.support.prometheus import alerts, running_prometheus

pytestmark = [pytest.mark.control_plane, pytest.mark.timeout(2400)]
ALERT = "ModelServiceWatchStale"
STALE_SECONDS = float(alerts()[ALERT].rpartition(" ")[2])
SECONDS = 300.0
"""Additional time in which the alert must fire, and later end."""


async def test_watch_that_is_cut_for_15_minutes_fires_an_alert(
    control_plane: Cluster, operator_kubeconfig: Path, tmp_path: Path
) -> None:
    """Other kinds keep their watches, quiet ones as well, and the alert does not name them."""
    namespace, port = await to_thread(create_namespace, control_plane, "stale"), free_port()
    rules = [Rule(verb, "ingresses", None, Moment.BEFORE, Drop()) for verb in ("list", "watch")]
    async with FaultProxy.before(operator_kubeconfig) as proxy:
        kubeconfig = proxy.kubeconfig(operator_kubeconfig, tmp_path / "kubeconfig")
        arguments = ("--namespace", namespace, "--probe-port", str(port))
        operator = OperatorProcess(kubeconfig, tmp_path / "operator.log", arguments)
        try:
            await to_thread(operator.start)
            for rule in rules:
                proxy.rules.arm(rule)
            proxy.break_streams()
            await to_thread(_wait_for_alert, tmp_path, port, mend=lambda: proxy.rules.disarm(*rules))
        finally:
            if operator.is_running:
                await to_thread(operator.stop)
    assert operator.tracebacks == []
    assert "List/watch of ingresses" in operator.log


def _wait_for_alert(folder: Path, port: int, *, mend: Callable[[], None]) -> None:
    broken = time.monotonic()
    with running_prometheus(folder, [port]) as prometheus:
        prometheus.wait_for_alert("ModelServiceWatchStale", {"kind": "Ingress"}, seconds=STALE_SECONDS + SECONDS)
        assert time.monotonic() - broken >= STALE_SECONDS
        assert [alert["kind"] for alert in prometheus.firing()[ALERT]] == ["Ingress"]
        mend()
        wait_until(lambda: ALERT not in prometheus.firing(), seconds=SECONDS, what="the end of the alert", pause=1)
