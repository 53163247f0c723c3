"""Every request that the operator makes for a ModelService, counted by the API server: no more than it must.

Lists and watches are the caches' own and are not counted; everything else is, reads too.
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
from tests.environment.faults.lab import RESYNC, TWO_RESYNCS, Lab, Lane
from tests.environment.faults.oracles import STATUS, no_echoes
from tests.environment.faults.recording import LOOK, Recording, calm, is_single, record
from tests.environment.faults.scenarios import S1, S2, S3, S4, S5, S6, S7, S8, S9, S10, S11, Scenario, Stage
from tests.environment.faults.state import NEWS, Place
from tests.support.builders import model_service

pytestmark = pytest.mark.asyncio(loop_scope="module")

MADE = {"create deployments": 1, "create services": 1, "create horizontalpodautoscalers": 1}
# The first change of what was POSTed: a look, a JSON patch that hands the fields over, and the change itself.
CONVERTED = {"get deployments": 1, "patch deployments": 2}
SCALED = {"patch deployments/scale": 1}

EVENT = "create events"
ON_THE_WAY = "on the way"
ROLLED_OUT = [ON_THE_WAY, "RolloutComplete"]


@dataclass(frozen=True)
class Budget:
    """What a scenario costs: `requests` exactly, `refused` of them, and status writes: what they say, and how many."""

    scenario: Scenario
    requests: Mapping[str, int]
    says: list[str]
    status: int
    """While a rollout takes less than a second; one more for each second that it takes."""
    refused: int = 0
    looks: int = 0
    """Most GETs of the ModelService itself: one before a child that went is made again."""

    def __str__(self) -> str:
        return self.scenario.number


TABLE = (
    # scenario, requests, what the status says, status writes
    Budget(S1, MADE, ROLLED_OUT, 2),
    Budget(S2, CONVERTED, ROLLED_OUT, 2),
    Budget(S3, CONVERTED, ROLLED_OUT, 2),
    Budget(S4, SCALED, ROLLED_OUT, 2),
    Budget(S5, {"create horizontalpodautoscalers": 1}, ["RolloutComplete"], 1),
    Budget(S6, {"delete horizontalpodautoscalers": 1} | SCALED, ROLLED_OUT, 2),
    Budget(S7, CONVERTED, ROLLED_OUT, 2),
    Budget(S8, CONVERTED, ROLLED_OUT, 2),
    Budget(S9, {}, [], 0),
    # While it waits for its predecessor's three children to go, it says for which one.
    Budget(S10, MADE, ROLLED_OUT, 2 + 3, looks=4),
    Budget(S11, {"create deployments": 2, "create services": 1}, ["Rejected", *ROLLED_OUT], 3, refused=1),
)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lane(lab: Lab) -> AsyncIterator[Lane]:
    """An operator that looks at everything every second: what it does needlessly, it does often."""
    async with lab.lane("write-budget", "--resync-seconds", str(RESYNC)) as lane:
        yield lane
        assert lane.bugs() == []


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def recordings(lane: Lane, standing: Stage) -> Mapping[str, Recording]:
    """Every scenario, played once without faults, all of them at the same time, while time passes for `standing`."""
    assert standing.place.service is not None
    recordings = await asyncio.gather(*(record(lane, budget.scenario) for budget in TABLE))
    return {recording.scenario.number: recording for recording in recordings}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def standing(lane: Lane) -> Stage:
    """A ModelService with everything that there is."""
    stage = lane.stage("still")
    await stage.apply(model_service().with_spec(replicas=2).autoscaled(max_replicas=5))
    return stage


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def still(lane: Lane, standing: Stage) -> Stage:
    """A ModelService with everything done: its autoscaler's minute of grace is over too."""
    await standing.until_ready()
    await standing.until(lambda: standing.place.condition("AutoscalerReady")["status"] == "False", "no metrics")
    await calm(lane, standing.place.name)
    return standing


@dataclass
class Requests:
    """Requests about single objects in a lane's namespace, from now on, but those for an autoscaler's news."""

    lane: Lane

    def __post_init__(self) -> None:
        self._start = len(self.lane.lab.audit)
        self._versions = {place.name: place.version for place in self._places()}

    def so_far(self) -> Counter[str]:
        found = self.lane.lab.audit.within(self.lane.namespace, start=self._start)
        reports = (place.reports(after=self._versions.get(place.name, 0)) for place in self._places())
        news = Counter({STATUS: sum(told.count(NEWS) for told in reports)})
        return Counter(str(request.call) for request in found if is_single(request)) - news

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
    assert calls.pop(LOOK, 0) <= budget.looks
    assert calls == Counter(budget.requests)
    assert recording.tally.refused.total() == budget.refused
    assert recording.violations == []
    words = [f"{count} {call}" for call, count in sorted(recording.calls().items())]
    figure(f"write budget {budget.scenario}: {', '.join((*words, f'{len(recording.tally.reports)} status'))}")


def is_told(said: list[str], expected: list[str]) -> bool:
    """Tell whether a status said what it must. That it is on the way it need not say of what is quickly done."""
    return said == expected or said == [word for word in expected if word != ON_THE_WAY]


@pytest.mark.parametrize("budget", TABLE, ids=str)
async def test_status_write_counts(budget: Budget, recordings: Mapping[str, Recording]) -> None:
    recording = recordings[budget.scenario.number]
    assert is_told(recording.milestones(), budget.says)
    own = recording.tally.accepted[STATUS] - recording.tally.reports.count(NEWS)
    assert own <= budget.status + int(recording.rollout_seconds)


@pytest.mark.parametrize("budget", [budget for budget in TABLE if budget.says], ids=str)
async def test_status_write_causes_no_further_writes(budget: Budget, recordings: Mapping[str, Recording]) -> None:
    """The watch tells the operator of its own write, and of each child's; nothing comes of it."""
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


async def test_idle_writes_nothing(still: Stage, lane: Lane, figure: Callable[[str], None]) -> None:
    assert still.place.is_ready
    requests = Requests(lane)
    assert await requests.in_two_resyncs() == {}
    figure(f"steady-state writes {requests.so_far().total()}")


async def test_restart_writes_nothing(still: Stage, lane: Lane) -> None:
    requests = Requests(lane)
    lane.kill()
    await lane.ended()
    await lane.start()
    assert await requests.in_two_resyncs() == {}
    assert still.place.is_ready


@pytest.mark.parametrize(
    "kind", [MODEL_SERVICE, DEPLOYMENT, SERVICE, HORIZONTAL_POD_AUTOSCALER], ids=lambda kind: kind.plural
)
async def test_foreign_annotation_causes_no_writes(kind: ResourceKind, still: Stage, lane: Lane) -> None:
    requests = Requests(lane)
    await still.mark(kind)
    assert await requests.in_two_resyncs() == {}


async def test_reapply_writes_nothing(still: Stage, lane: Lane) -> None:
    requests = Requests(lane)
    await still.apply(model_service().with_spec(replicas=2).autoscaled(max_replicas=5))
    assert await requests.in_two_resyncs() == {}
