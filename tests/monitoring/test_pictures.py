"""Draws the dashboard into docs/dashboard, with the data of two replicas to which things happen."""

import time
from asyncio import sleep, to_thread
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from modelservice_operator.client.permissions import LEASE_PERMISSIONS
from tests.environment.cluster import Cluster
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.cluster.wait import wait_until
from tests.environment.dashboard.panels import Period, Series, dashboard_rows, read_series
from tests.environment.dashboard.svg import draw_row
from tests.environment.faults.actions import Delay
from tests.environment.faults.proxy import FaultProxy
from tests.environment.faults.rules import Moment, Rule
from tests.support.builders import model_service
from tests.support.health import free_port
from tests.support.installation import ACCOUNT, ROOT
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess
from tests.support.prometheus import Prometheus, running_prometheus
from tests.support.roles import create_account, grant, operator_permissions

pytestmark = [pytest.mark.control_plane, pytest.mark.timeout(1200)]
PICTURES = ROOT / "docs" / "dashboard"
MODELS = 12
RATE_INTERVAL = "20s"
"""Ten times the interval of the scrapes, in place of $__rate_interval."""
QUIET_SECONDS = 20.0
"""Time between what is done to the operators, so that the pictures can be read."""
DELAY_SECONDS = 2.0
NO_DATA = {"Loads", "Load duration"}
"""Panels without data: no loader runs on simulated nodes."""


@dataclass
class Run:
    """A run with what was done to the operators, and when."""

    ns: NamespaceFixture
    prometheus: Prometheus
    replicas: dict[int, OperatorProcess]
    """By the port of their metrics."""
    started: float = field(default_factory=time.time)
    periods: list[Period] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return time.time() - self.started

    @contextmanager
    def period(self, label: str) -> Iterator[None]:
        """Record what a block does."""
        start = self.seconds
        yield
        self.periods.append(Period(start, self.seconds, label))

    def apply_all(self, image: str) -> None:
        """Create the ModelServices, or change their images."""
        bodies = [
            model_service().named(f"model-{number}", namespace=self.ns.namespace).with_spec(image=image).manifest()
            for number in range(MODELS)
        ]
        self.ns.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(bodies))

    def wait_all_ready(self) -> None:
        for number in range(MODELS):
            self.ns.wait_ready(f"model-{number}", within=180)

    def find_leader(self) -> OperatorProcess:
        """Return the replica that leads by its metrics."""
        series = wait_until(
            lambda: self.prometheus.query("leader_election_master_status == 1"), seconds=90, what="a leader"
        )
        return self.replicas[int(series[0]["metric"]["instance"].rpartition(":")[2])]

    def restart(self) -> None:
        """Start what has ended, as a kubelet does: a replica that loses the leadership ends."""
        for replica in self.replicas.values():
            if not replica.is_running:
                replica.start()

    def break_models(self) -> None:
        """Create a ModelService that fits on no node, and one whose Service has another owner."""
        self.ns.apply(model_service().named("nowhere").with_spec(nodeSelector={"there": "is-none"}))
        self.ns.kubectl("create", "service", "clusterip", "taken", "--tcp=80")
        self.ns.apply(model_service().named("taken"))

    def fight(self) -> None:
        """Undo what the operator corrects, as another client would."""
        for number in range(3):
            self.ns.kubectl("delete", "service", f"model-{number}", "--ignore-not-found", "--wait=false")
            time.sleep(2)


async def test_pictures_of_the_dashboard(control_plane: Cluster, operator_kubeconfig: Path, tmp_path: Path) -> None:
    assert operator_kubeconfig.name  # the CRD is installed
    namespace = await to_thread(create_namespace, control_plane, "dashboard")
    await to_thread(create_account, control_plane, namespace)
    permissions = [*operator_permissions(), *LEASE_PERMISSIONS]
    await to_thread(grant, control_plane, namespace, permissions, account_namespace=namespace)
    original = await to_thread(control_plane.service_account_kubeconfig, namespace, ACCOUNT)
    ports = (free_port(), free_port())
    scope = ("--namespace", namespace, "--lease-namespace", namespace, "--workers", "2")
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(FaultProxy.before(original))
        kubeconfig = proxy.kubeconfig(original, tmp_path / "kubeconfig")
        replicas = {
            port: OperatorProcess(kubeconfig, tmp_path / f"operator-{port}.log", (*scope, "--probe-port", str(port)))
            for port in ports
        }
        for replica in replicas.values():
            stack.push_async_callback(to_thread, stop, replica)
            await to_thread(replica.start)
        blocking = ExitStack()  # in threads: the proxy needs the event loop
        stack.push_async_callback(to_thread, blocking.close)
        prometheus = await to_thread(blocking.enter_context, running_prometheus(tmp_path, ports))
        run = Run(NamespaceFixture(control_plane, namespace, lambda: replicas[ports[0]].log), prometheus, replicas)
        await happen(run, proxy)
        await to_thread(draw, run)
    assert [replica.tracebacks for replica in replicas.values()] == [[], []]


async def happen(run: Run, proxy: FaultProxy) -> None:
    """Do to the operators what an operations team sees in its dashboard."""
    await sleep(QUIET_SECONDS)
    with run.period(f"{MODELS} ModelServices are created"):
        await to_thread(run.apply_all, "registry.example.com/model:1")
        await to_thread(run.wait_all_ready)
    await sleep(QUIET_SECONDS)
    with run.period("another client deletes Services; two models cannot run"):
        await to_thread(run.break_models)
        for _ in range(3):
            await to_thread(run.fight)
    await sleep(QUIET_SECONDS)
    slow = [Rule(verb, resource, None, Moment.BEFORE, Delay(DELAY_SECONDS)) for verb, resource in SLOW]
    for rule in slow:
        proxy.rules.arm(rule)
    with run.period(f"new images, and writes that take {DELAY_SECONDS:.0f} s longer"):
        await to_thread(run.apply_all, "registry.example.com/model:2")
        await to_thread(run.wait_all_ready)
    proxy.rules.disarm(*slow)
    await sleep(QUIET_SECONDS)
    with run.period("the API server is away"):
        async with proxy.down():
            await sleep(QUIET_SECONDS)
    await to_thread(run.restart)
    await sleep(2 * QUIET_SECONDS)
    leader = await to_thread(run.find_leader)
    with run.period("the leader is killed"):
        await to_thread(leader.kill)
        await sleep(QUIET_SECONDS)
    await to_thread(run.restart)
    await sleep(2 * QUIET_SECONDS)


SLOW = (("create", "deployments"), ("patch", "deployments"), ("update", "modelservices/status"))


def draw(run: Run) -> None:
    """Write a picture of each row. Raises AssertionError if a panel has no data that should have some."""
    end = time.time()
    empty = set()
    PICTURES.mkdir(exist_ok=True)
    for row in dashboard_rows():
        series: dict[str, tuple[Series, ...]] = {}
        for panel in row.panels:
            found = read_series(run.prometheus, panel, start=run.started, end=end, rate_interval=RATE_INTERVAL)
            series[panel.title] = found
            empty |= set() if found else {panel.title}
        picture = draw_row(row, series, run.periods, end - run.started)
        (PICTURES / row.file_name).write_text(picture, encoding="utf-8")
    assert empty == NO_DATA


def stop(operator: OperatorProcess) -> None:
    if operator.is_running:
        operator.stop()
