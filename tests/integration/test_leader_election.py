"""Two replicas and one Lease: the leader writes, the standby takes over, and nothing is written twice."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelservice_operator.manager.leader_election import LeaderElectionConfig
from tests.environment.audit import STATUS, AuditTrail
from tests.environment.cluster import Cluster
from tests.environment.cluster.wait import wait_until
from tests.support.builders import model_service
from tests.support.installation import NAMESPACE, USER
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess

LEADS = "Became leader"
RELEASED = LeaderElectionConfig().lease_duration - 1
"""Seconds in which another replica leads after a release: it does not wait until the Lease expires."""


@pytest.fixture(scope="module")
def pair(operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[OperatorProcess]]:
    """Two operators with leader election; the first one is the leader at the start."""
    directory = tmp_path_factory.mktemp("operators")
    arguments = ("--lease-namespace", NAMESPACE)
    operators = [OperatorProcess(operator_kubeconfig, directory / f"{number}.log", arguments) for number in range(2)]
    try:
        for operator in operators:
            operator.start()
            wait_until(lambda: LEADS in operators[0].log, seconds=60, what="leadership of the first operator")
        yield operators
    finally:
        for operator in operators:
            if operator.is_running:
                operator.stop()
    assert [operator.tracebacks for operator in operators] == [[], []]


@pytest.fixture(scope="module")
def operator(pair: list[OperatorProcess]) -> OperatorProcess:
    return pair[0]


def test_standby_takes_over_after_the_leader_is_killed(
    control_plane: Cluster, ns: NamespaceFixture, pair: list[OperatorProcess], figure: Callable[[str], None]
) -> None:
    first, second = pair
    trail = AuditTrail(control_plane, USER)
    ns.apply(model_service().named("before").autoscaled(max_replicas=3))
    ns.wait_ready("before")
    assert LEADS not in second.log
    first.kill()
    killed = time.monotonic()
    ns.apply(model_service().named("after").autoscaled(max_replicas=3))
    ns.wait_ready("after", within=60)
    figure(f"control plane: another operator took over {time.monotonic() - killed:.1f} s after the leader's SIGKILL")
    assert LEADS in second.log
    for name in ("before", "after"):
        writes = trail.writes_of(name)
        del writes[STATUS]
        assert trail.status_writes_of(name).problems(at_most=2) == []
        assert set(writes.values()) == {1}


def test_leader_releases_the_lease_on_sigterm(ns: NamespaceFixture, pair: list[OperatorProcess]) -> None:
    first, second = pair
    first.start()
    leads_before = first.log.count(LEADS)
    assert second.stop() == 0
    wait_until(lambda: first.log.count(LEADS) > leads_before, seconds=RELEASED, what="the other operator to lead")
    ns.apply(model_service().named("released"))
    ns.wait_ready("released")


def test_paused_leader_exits_when_resumed(ns: NamespaceFixture, pair: list[OperatorProcess]) -> None:
    first, second = pair
    leads_before = second.log.count(LEADS)
    second.start()
    assert first.process is not None
    first.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: second.log.count(LEADS) > leads_before, seconds=90, what="the other operator to lead")
    first.process.send_signal(signal.SIGCONT)
    assert first.process.wait(timeout=60) == 1
    assert "Lost leadership; exiting: " in first.log
    ns.apply(model_service().named("paused"))
    ns.wait_ready("paused")
