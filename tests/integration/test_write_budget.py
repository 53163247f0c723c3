"""Exact numbers of the operator's requests for a ModelService, counted by the API server.

Lists and watches of the caches are not counted; all other requests are, including reads.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest
import pytest_asyncio

from modelservice_operator.apimachinery.kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    MODEL_SERVICE,
    SERVICE,
    ResourceKind,
)
from tests.environment.audit import STATUS
from tests.environment.faults.lab import RESYNC, TWO_RESYNCS, Lab, Lane
from tests.environment.faults.oracles import no_echoes
from tests.environment.faults.recording import LOOK, Recording, calm, is_single, record
from tests.environment.faults.scenarios import S1, S2, S3, S4, S5, S6, S7, S8, S9, S10, S11, Scenario, Stage
from tests.environment.faults.state import NEWS, Place
from tests.support.builders import model_service

pytestmark = pytest.mark.asyncio(loop_scope="module")

CREATED = {"create deployments": 1, "create services": 1, "create horizontalpodautoscalers": 1}
# The first change of a child: a GET, a JSON patch that upgrades the managed fields of the POST, and the change.
FIRST_CHANGE = {"get deployments": 1, "patch deployments": 2}
SCALED = {"patch deployments/scale": 1}

EVENT = "create events"
IN_PROGRESS = "on the way"
ROLLED_OUT = [IN_PROGRESS, "RolloutComplete"]


@dataclass(frozen=True)
class Budget:
    """Cost of a scenario: `requests` exactly, how many are rejected, and the reasons and number of status writes."""

    scenario: Scenario
    requests: Mapping[str, int]
    reasons: list[str]
    status: int
    """For a rollout of less than a second; each further second allows one more."""
    rejected: int = 0
    gets: int = 0
    """Maximum number of GETs of the ModelService: one before each re-creation of a deleted child."""

    def __str__(self) -> str:
        return self.scenario.number


TABLE = (
    # scenario, requests, reasons in the status, status writes
    Budget(S1, CREATED, ROLLED_OUT, 2),
    Budget(S2, FIRST_CHANGE, ROLLED_OUT, 2),
    Budget(S3, FIRST_CHANGE, ROLLED_OUT, 2),
    Budget(S4, SCALED, ROLLED_OUT, 2),
    Budget(S5, {"create horizontalpodautoscalers": 1}, ["RolloutComplete"], 1),
    Budget(S6, {"delete horizontalpodautoscalers": 1} | SCALED, ROLLED_OUT, 2),
    Budget(S7, FIRST_CHANGE, ROLLED_OUT, 2),
    Budget(S8, FIRST_CHANGE, ROLLED_OUT, 2),
    Budget(S9, {}, [], 0),
    # While it waits for the deletion of its predecessor's three children, the status names each.
    Budget(S10, CREATED, ROLLED_OUT, 2 + 3, gets=4),
    Budget(S11, {"create deployments": 2, "create services": 1}, ["Rejected", *ROLLED_OUT], 3, rejected=1),
)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lane(lab: Lab) -> AsyncIterator[Lane]:
    """An operator that resyncs every second, so that needless requests are frequent."""
    async with lab.lane("write-budget", "--resync-seconds", str(RESYNC)) as lane:
        yield lane
        assert lane.bugs() == []


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def recordings(lane: Lane, complete_service: Stage) -> Mapping[str, Recording]:
    """Every scenario, run once without faults, all concurrently, while time passes for `complete_service`."""
    assert complete_service.place.service is not None
    recordings = await asyncio.gather(*(record(lane, budget.scenario) for budget in TABLE))
    return {recording.scenario.number: recording for recording in recordings}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def complete_service(lane: Lane) -> Stage:
    """A ModelService with all of its children."""
    stage = lane.stage("still")
    await stage.apply(model_service().with_spec(replicas=2).autoscaled(max_replicas=5))
    return stage


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def idle_service(lane: Lane, complete_service: Stage) -> Stage:
    """A ModelService for which nothing is left to do: its autoscaler's startup grace is over too."""
    await complete_service.until_ready()
    await complete_service.until(
        lambda: complete_service.place.condition("AutoscalerReady")["status"] == "False", "no metrics"
    )
    await calm(lane, complete_service.place.name)
    return complete_service


@dataclass
class Requests:
    """Requests for single objects in a lane's namespace from now on, without status writes for metrics."""

    lane: Lane

    def __post_init__(self) -> None:
        self._start = len(self.lane.lab.audit)
        self._versions = {place.name: place.version for place in self._places()}

    def so_far(self) -> Counter[str]:
        found = self.lane.lab.audit.within(self.lane.namespace, start=self._start)
        reports = (place.reports(after=self._versions.get(place.name, 0)) for place in self._places())
        metric_updates = Counter({STATUS: sum(report.count(NEWS) for report in reports)})
        return Counter(str(request.call) for request in found if is_single(request)) - metric_updates

    def _places(self) -> Iterator[Place]:
        history, namespace = self.lane.lab.history, self.lane.namespace
        return (Place(history, namespace, name) for name in history.names(MODEL_SERVICE, namespace))

    async def in_two_resyncs(self) -> Counter[str]:
        await asyncio.sleep(TWO_RESYNCS)
        return self.so_far()


@pytest.mark.parametrize("budget", TABLE, ids=str)
async def test_request_counts(
    budget: Budget, recordings: Mapping[str, Recording], figure: Callable[[str], None]
) -> None:
    recording = recordings[budget.scenario.number]
    calls = recording.calls()
    assert calls.pop(LOOK, 0) <= budget.gets
    assert calls == Counter(budget.requests)
    assert recording.tally.refused.total() == budget.rejected
    assert recording.violations == []
    parts = [f"{count} {call}" for call, count in sorted(recording.calls().items())]
    figure(f"write budget {budget.scenario}: {', '.join((*parts, f'{len(recording.tally.reports)} status'))}")


def has_expected_reasons(found: list[str], expected: list[str]) -> bool:
    """Return True if the status had the expected reasons. A fast rollout need not be reported as in progress."""
    return found == expected or found == [reason for reason in expected if reason != IN_PROGRESS]


@pytest.mark.parametrize("budget", TABLE, ids=str)
async def test_status_write_counts(budget: Budget, recordings: Mapping[str, Recording]) -> None:
    recording = recordings[budget.scenario.number]
    assert has_expected_reasons(recording.milestones(), budget.reasons)
    own = recording.tally.accepted[STATUS] - recording.tally.reports.count(NEWS)
    assert own <= budget.status + int(recording.rollout_seconds)


@pytest.mark.parametrize("budget", [budget for budget in TABLE if budget.reasons], ids=str)
async def test_status_write_causes_no_further_writes(budget: Budget, recordings: Mapping[str, Recording]) -> None:
    """The watch reports the operator's own writes of status and children; they cause no request."""
    recording = recordings[budget.scenario.number]
    assert str(recording.requests[-1].call) == STATUS
    assert no_echoes(recording.tally) == []


async def test_second_change_of_a_child_costs_one_request(lane: Lane) -> None:
    stage, service = lane.stage("second"), model_service()
    for image in ("registry.example.com/iris:1", "registry.example.com/iris:2"):
        await stage.apply(service.with_spec(image=image))
        await stage.until_ready()
        await calm(lane, stage.place.name)
    requests = Requests(lane)
    await stage.apply(service.with_spec(image="registry.example.com/iris:3"))
    await stage.until_ready()
    await calm(lane, stage.place.name)
    found = requests.so_far()
    assert found.pop(STATUS) >= 1
    assert found.pop(EVENT) == len(("RolloutStarted", "RolloutComplete"))
    assert found == {"patch deployments": 1}


@pytest.mark.core
async def test_idle_writes_nothing(idle_service: Stage, lane: Lane, figure: Callable[[str], None]) -> None:
    assert idle_service.place.is_ready
    requests = Requests(lane)
    assert await requests.in_two_resyncs() == {}
    figure(f"steady-state writes {requests.so_far().total()}")


@pytest.mark.core
async def test_restart_writes_nothing(idle_service: Stage, lane: Lane) -> None:
    requests = Requests(lane)
    lane.kill()
    await lane.ended()
    await lane.start()
    assert await requests.in_two_resyncs() == {}
    assert idle_service.place.is_ready


@pytest.mark.parametrize(
    "kind", [MODEL_SERVICE, DEPLOYMENT, SERVICE, HORIZONTAL_POD_AUTOSCALER], ids=lambda kind: kind.plural
)
async def test_foreign_annotation_causes_no_writes(kind: ResourceKind, idle_service: Stage, lane: Lane) -> None:
    requests = Requests(lane)
    await idle_service.mark(kind)
    assert await requests.in_two_resyncs() == {}


async def test_reapply_writes_nothing(idle_service: Stage, lane: Lane) -> None:
    requests = Requests(lane)
    await idle_service.apply(model_service().with_spec(replicas=2).autoscaled(max_replicas=5))
    assert await requests.in_two_resyncs() == {}
