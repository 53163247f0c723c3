"""Two versions of the operator on 200 live objects: side by side, hand-over in both directions, and interrupted."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelservice_operator import __version__
from modelservice_operator.apimachinery.kinds import DEPLOYMENT, MODEL_SERVICE, POD, REPLICA_SET, SERVICE
from modelservice_operator.settings import LEASE_VERSION_ANNOTATION
from tests.environment.audit import AuditTrail
from tests.environment.cluster import Cluster
from tests.environment.cluster.wait import wait_until
from tests.environment.faults.lab import Lab, Lane
from tests.environment.faults.rules import Cut, Exchange, Moment, Rule
from tests.support.builders import model_service
from tests.support.fleet import Fleet
from tests.support.installation import NAMESPACE, USER
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess
from tests.support.versions import NEXT, OperatorVersion, patched_version

pytestmark = [pytest.mark.control_plane, pytest.mark.timeout(600)]

KINDS = (MODEL_SERVICE, DEPLOYMENT, REPLICA_SET, POD)
LEASE = "upgrade"
LEADS = "Became leader"
RESYNC = 2
MARK = "modelservice.dev/test-mark"
NEW_LOADER = ("--loader-image", "loader:next", "--loader-seconds", "1200")
INTERRUPTED = tuple(f"cut-{number}" for number in range(4))
MARKED_SERVICE = {
    "resources/service.py": (
        "annotations=options.annotations\n",
        f'annotations={{**(options.annotations or {{}}), "{MARK}": "2"}}\n',
    )
}
"""A change of a child that is not part of a pod template: each Service is written, and no pod restarts."""


@pytest.fixture(scope="module")
def next_version(tmp_path_factory: pytest.TempPathFactory) -> OperatorVersion:
    """Version N+1, which builds the same objects."""
    return patched_version(tmp_path_factory.mktemp("next") / "operator", {})


@pytest.fixture(scope="module")
def marking_version(tmp_path_factory: pytest.TempPathFactory) -> OperatorVersion:
    """Version N+1, which adds an annotation to each Service."""
    return patched_version(tmp_path_factory.mktemp("marking") / "operator", MARKED_SERVICE)


@dataclass
class Rollout:
    """Replicas of two versions that compete for one Lease, and the objects that they serve."""

    fleet: Fleet
    old: OperatorProcess
    new: OperatorProcess

    def leading_version(self) -> str:
        lease = self.fleet.ns.cluster.read("leases.coordination.k8s.io", LEASE, namespace=NAMESPACE) or {}
        return str(lease["metadata"]["annotations"][LEASE_VERSION_ANNOTATION])

    def hand_over(self, leader: OperatorProcess, standby: OperatorProcess, how: signal.Signals) -> None:
        """End the leader, wait until the standby leads, and let it reconcile every object twice."""
        before = standby.log.count(LEADS)
        leader.stop(how)
        wait_until(lambda: standby.log.count(LEADS) > before, seconds=90, what="the other version to lead")
        time.sleep(2 * 1.1 * RESYNC)

    def state(self) -> dict[str, Any]:
        return {kind.kind: self.fleet.objects(kind) for kind in KINDS}


@pytest.fixture(scope="module")
def rollout(
    control_plane: Cluster,
    operator_kubeconfig: Path,
    namespace: str,
    next_version: OperatorVersion,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Rollout]:
    """200 live objects; version N leads, and version N+1 with other settings of the loader stands by."""
    folder = tmp_path_factory.mktemp("operators")
    arguments = (
        *("--namespace", namespace, "--lease-namespace", NAMESPACE, "--lease-name", LEASE),
        *("--resync-seconds", str(RESYNC)),
    )
    old = OperatorProcess(operator_kubeconfig, folder / "old.log", arguments)
    new = OperatorProcess(
        operator_kubeconfig, folder / "new.log", (*arguments, *NEW_LOADER), command=next_version.command
    )
    try:
        old.start()
        ns = NamespaceFixture(control_plane, namespace, lambda: old.log + new.log)
        fleet = Fleet(ns, AuditTrail(control_plane, USER))
        fleet.create()
        old.stop()  # with it end the Events of the creation, which are sent slowly
        old.start()
        wait_until(lambda: old.log.count(LEADS) == 2, seconds=90, what="the older version to lead again")
        new.start()
        yield Rollout(fleet, old, new)
    finally:
        for operator in (old, new):
            if operator.is_running:
                operator.stop()
    assert [old.tracebacks, new.tracebacks] == [[], []]


def test_hand_over_in_both_directions_writes_nothing(rollout: Rollout, figure: Callable[[str], None]) -> None:
    """Upgrade, rollback, and an upgrade whose leader is killed: no object changes, and no pod restarts."""
    before, written = rollout.state(), len(rollout.fleet.writes())
    assert (rollout.leading_version(), len(before[MODEL_SERVICE.kind])) == (__version__, 200)
    rollout.hand_over(rollout.old, rollout.new, signal.SIGTERM)
    assert rollout.leading_version() == NEXT
    rollout.old.start()
    rollout.hand_over(rollout.new, rollout.old, signal.SIGTERM)
    assert rollout.leading_version() == __version__
    rollout.new.start()
    rollout.hand_over(rollout.old, rollout.new, signal.SIGKILL)
    assert rollout.leading_version() == NEXT
    writes = [str(one.call) for one in rollout.fleet.writes()[written:]]
    figure(f"upgrade: {len(writes)} writes to 200 objects in three hand-overs between two versions")
    assert writes == []
    assert rollout.state() == before


def test_objects_of_the_newer_version_survive_a_downgrade(rollout: Rollout) -> None:
    rollout.fleet.ns.apply(model_service().named("newer").with_spec(model={"uri": "s3://models/newer"}))
    rollout.fleet.ns.wait_ready("newer")
    before = rollout.fleet.objects(DEPLOYMENT)["newer"]
    [loader] = before["spec"]["template"]["spec"]["initContainers"]
    assert loader["image"] == "loader:next"
    rollout.old.start()
    rollout.hand_over(rollout.new, rollout.old, signal.SIGTERM)
    assert rollout.leading_version() == __version__
    assert rollout.fleet.objects(DEPLOYMENT)["newer"] == before


def listed(ns: NamespaceFixture, plural: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (ns.cluster.read(plural, namespace=ns.namespace) or {})["items"]
    return items


def marked(ns: NamespaceFixture) -> set[str]:
    """Return the names of the Services that the newer version has written."""
    return {it["metadata"]["name"] for it in listed(ns, SERVICE.plural) if MARK in it["metadata"]["annotations"]}


async def kill_after_one_write(lane: Lane) -> None:
    """Start the operator, and kill it when the API server has done its first write of a Service."""

    async def kill(_: Exchange) -> Cut:
        lane.kill()
        return Cut.CLOSE

    rule = Rule("patch", SERVICE.plural, 1, Moment.COMMITTED, kill, namespace=lane.namespace)
    lane.proxy.rules.arm(rule)
    try:
        # It may be killed before its start was noticed.
        with suppress(AssertionError):
            await lane.start()
        await asyncio.wait_for(rule.fired.wait(), 90)
        await lane.ended()
    finally:
        lane.proxy.rules.disarm(rule)


async def test_upgrade_interrupted_at_each_write_is_completed(
    lab: Lab, marking_version: OperatorVersion, figure: Callable[[str], None]
) -> None:
    arguments = ("--workers", "1", "--resync-seconds", str(RESYNC))
    async with lab.lane("interrupted", *arguments) as lane:
        ns = NamespaceFixture(lab.cluster, lane.namespace, lambda: lane.operator.log)
        for name in INTERRUPTED:
            await asyncio.to_thread(ns.apply, model_service().named(name))
        for name in INTERRUPTED:
            await asyncio.to_thread(ns.wait_ready, name)
        await asyncio.to_thread(lane.operator.stop)
        pods = await asyncio.to_thread(listed, ns, POD.plural)
        audit = AuditTrail(lab.cluster, USER)
        lane.operator.command = marking_version.command
        kills = 0
        while await asyncio.to_thread(marked, ns) != set(INTERRUPTED):
            await kill_after_one_write(lane)
            kills += 1
            assert kills <= 2 * len(INTERRUPTED)
        await lane.start()
        await asyncio.sleep(2 * 1.1 * RESYNC)
        await lane.accounted()
        writes = audit.writes(lane.namespace)
        figure(f"upgrade: {kills} kills of the newer version, {writes.total()} writes for {len(INTERRUPTED)} objects")
        assert await asyncio.to_thread(marked, ns) == set(INTERRUPTED)
        assert set(writes) == {"patch services"}
        # An object is written by taking its fields over and by the apply. No kill repeats one, and none is left.
        assert writes.total() == kills == 2 * len(INTERRUPTED)
        assert await asyncio.to_thread(listed, ns, POD.plural) == pods
