"""Two versions of the operator on 200 live objects: side by side, hand-over in both directions, and interrupted."""

import asyncio
import functools
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelservice_operator import __version__
from modelservice_operator.apimachinery.kinds import (
    BUILT_IN_CHILD_KINDS,
    DEPLOYMENT,
    MODEL_SERVICE,
    POD,
    REPLICA_SET,
    ResourceKind,
)
from modelservice_operator.apimachinery.well_known import TEMPLATE_HASH
from modelservice_operator.settings import LEASE_VERSION_ANNOTATION
from tests.environment.audit import STATUS, AuditTrail
from tests.environment.cluster import Cluster
from tests.environment.cluster.wait import wait_until
from tests.environment.faults.lab import Lab, Lane
from tests.environment.faults.rules import Cut, Exchange, Moment, Rule
from tests.support.builders import ModelServiceBuilder, model_service
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
MAX_WRITES_OF_A_CHILD = 2
"""The first write of another version takes the fields over that the creation has set, the second one applies."""
REFERENCE = "reference"
"""A ModelService whose upgrade is not interrupted: it shows how many writes a child of each kind has."""
MARKED_VARIABLE = "TEST_MARKED"
"""Variable with the names of the ModelServices whose children the newer version builds in another way."""
MARKED_IF_NAMED = (
    f'OWNER_ANNOTATION: owner.uid, **({{"{MARK}": "2"}} if owner.name in'
    f' __import__("os").environ.get("{MARKED_VARIABLE}", "").split() else {{}})}}'
)
MARKED_CHILDREN = {"resources/metadata.py": ("OWNER_ANNOTATION: owner.uid}", MARKED_IF_NAMED)}
"""A change of every child that is not part of a pod template: each of them is written, and no pod restarts."""


@dataclass(frozen=True)
class Interruption:
    """The operator is killed at one write of one child, of a ModelService that no other case has."""

    kind: ResourceKind
    nth: int
    moment: Moment
    name: str

    def __str__(self) -> str:
        return f"write {self.nth} of {self.kind.plural}, {self.moment}"


def complete(name: str) -> ModelServiceBuilder:
    """Return a ModelService with a child of every built-in kind."""
    return (
        model_service()
        .named(name)
        .autoscaled(min_replicas=2, max_replicas=3)
        .with_spec(
            model={"uri": f"s3://models/{name}", "updatePolicy": "Auto"},
            expose={"ingress": {"host": f"{name}.example.com"}},
            disruptionBudget={"maxUnavailable": 1},
            networkPolicy={"enabled": True},
        )
    )


INTERRUPTIONS = tuple(
    Interruption(kind, nth, moment, f"cut-{kind.kind.lower()}-{nth}-{moment.name.lower()}")
    for kind in BUILT_IN_CHILD_KINDS
    for nth in range(1, MAX_WRITES_OF_A_CHILD + 1)
    for moment in (Moment.BEFORE, Moment.COMMITTED)
)


@pytest.fixture(scope="module")
def next_version(tmp_path_factory: pytest.TempPathFactory) -> OperatorVersion:
    """Version N+1, which builds the same objects."""
    return patched_version(tmp_path_factory.mktemp("next") / "operator", {})


@pytest.fixture(scope="module")
def marking_version(tmp_path_factory: pytest.TempPathFactory) -> OperatorVersion:
    """Version N+1, which adds an annotation to each child."""
    return patched_version(tmp_path_factory.mktemp("marking") / "operator", MARKED_CHILDREN)


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


def listed(ns: NamespaceFixture, kind: ResourceKind) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (ns.cluster.read(kind.group_resource, namespace=ns.namespace) or {})["items"]
    return items


def children(ns: NamespaceFixture) -> dict[str, bool]:
    """Return the children by resource and name, and whether the newer version has written them."""
    return {
        f"{kind.plural} {body['metadata']['name']}": MARK in body["metadata"]["annotations"]
        for kind in BUILT_IN_CHILD_KINDS
        for body in listed(ns, kind)
    }


def servers(ns: NamespaceFixture) -> dict[str, str]:
    """Return the UIDs of the pods of Deployments by name. The resolvers of models come and go."""
    found = (body["metadata"] for body in listed(ns, POD))
    return {metadata["name"]: metadata["uid"] for metadata in found if TEMPLATE_HASH in metadata["labels"]}


async def interrupt(lane: Lane, case: Interruption, child: str) -> None:
    """Start the operator, and kill it at the write of the case."""

    async def kill(_: Exchange) -> Cut:
        lane.kill()
        return Cut.CLOSE

    rule = Rule("patch", case.kind.plural, case.nth, case.moment, kill, namespace=lane.namespace, name=child)
    lane.proxy.rules.arm(rule)
    start = len(lane.proxy.exchanges)
    try:
        # It may be killed before its start was noticed.
        with suppress(AssertionError):
            await lane.start()
        await asyncio.wait_for(rule.fired.wait(), 60)
        await lane.ended()
    except TimeoutError:
        calls = [f"{one.call} {one.call.name}" for one in lane.proxy.exchanges[start:] if one.call.is_write]
        raise AssertionError(f"The operator was not killed at {case}. Its writes: {calls}") from None
    finally:
        lane.proxy.rules.disarm(rule)


async def test_upgrade_interrupted_at_each_write_is_completed(
    lab: Lab, marking_version: OperatorVersion, figure: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each write of the newer version to a child of each kind, before and after the API server has done it.

    What one case leaves, the operator of the next one completes, which may be killed before that is done.
    """
    # The same loader in both versions: the CronJob has the current one, and each would be written at the first start.
    async with lab.lane("interrupted", "--resync-seconds", str(RESYNC), "--loader-image", "loader:1") as lane:
        ns = NamespaceFixture(lab.cluster, lane.namespace, lambda: lane.operator.log)
        for name in (REFERENCE, *(case.name for case in INTERRUPTIONS)):
            await asyncio.to_thread(ns.apply, complete(name))
        for name in (REFERENCE, *(case.name for case in INTERRUPTIONS)):
            await asyncio.to_thread(ns.wait_ready, name)
        await asyncio.to_thread(lane.operator.stop)
        pods, names = await asyncio.to_thread(servers, ns), await asyncio.to_thread(children, ns)
        lane.operator.command = marking_version.command
        expected = await writes_of_the_reference(lane, ns, monkeypatch)
        cases = [case for case in INTERRUPTIONS if case.nth <= expected[f"patch {case.kind.plural}"]]
        assert {case.kind for case in cases} == set(BUILT_IN_CHILD_KINDS)
        audit = AuditTrail(lab.cluster, USER)
        for number, case in enumerate(cases, start=1):
            monkeypatch.setenv(MARKED_VARIABLE, " ".join((REFERENCE, *(one.name for one in cases[:number]))))
            [child] = (name.split()[1] for name in names if name.startswith(f"{case.kind.plural} {case.name}"))
            await interrupt(lane, case, child)
        await lane.start()
        upgraded = functools.partial(are_upgraded, ns, {case.name for case in cases})
        await asyncio.to_thread(ns.wait, upgraded, "children of the newer version", within=90, name=cases[-1].name)
        await asyncio.sleep(2 * 1.1 * RESYNC)
        await lane.accounted()
        writes = audit.writes(lane.namespace)
        del writes[STATUS]
        figure(f"upgrade: {len(cases)} kills of the newer version, one at each write; {writes.total()} writes")
        # No kill repeats a write that was done, and none is left out.
        assert writes == Counter({write: count * len(cases) for write, count in expected.items()})
        assert await asyncio.to_thread(servers, ns) == pods


async def writes_of_the_reference(lane: Lane, ns: NamespaceFixture, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Upgrade one ModelService without an interruption; return the writes to its children."""
    audit = AuditTrail(lane.lab.cluster, USER)
    monkeypatch.setenv(MARKED_VARIABLE, REFERENCE)
    await lane.start()
    await asyncio.to_thread(ns.wait, functools.partial(are_upgraded, ns, {REFERENCE}), "upgraded reference", within=90)
    await asyncio.sleep(2 * 1.1 * RESYNC)
    await asyncio.to_thread(lane.operator.stop)
    writes = audit.writes(lane.namespace)
    del writes[STATUS]
    return writes


def are_upgraded(ns: NamespaceFixture, services: set[str]) -> bool:
    """Return True if the newer version has written every child of some ModelServices."""
    found = children(ns).items()
    return all(is_marked for name, is_marked in found if any(name.split()[1].startswith(one) for one in services))
