"""The crash sweep: at each call of a recorded run, at each moment, the operator is killed and started again."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.errors import BenchError

from tests.environment.audit import AuditedRequest
from tests.environment.cluster import ClusterError
from tests.environment.faults.actions import Kill
from tests.environment.faults.lab import RESYNC, TWO_RESYNCS, Lab, Lane
from tests.environment.faults.oracles import Tally, inside, lawful, no_more_writes, paired, same_end, silence, trail
from tests.environment.faults.recording import Point, Recording
from tests.environment.faults.rules import Moment, Rule
from tests.environment.faults.scenarios import CONVERGENCE_TIMEOUT, Scenario, Stage

ATTEMPTS = 6
"""A run may reach its end with a status write less than the recorded one: then the point is looked for again."""
_FIRE_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Case:
    """One experiment: `hit` is where and when the operator is killed, None: it is down while the user acts."""

    recording: Recording
    hit: tuple[Point, Moment] | None

    @property
    def scenario(self) -> Scenario:
        return self.recording.scenario

    def __str__(self) -> str:
        where = "while the operator is down" if self.hit is None else f"{self.hit[0]}, {self.hit[1]}"
        return f"{self.scenario}: {where}"


@dataclass(slots=True)
class Outcome:
    """Result of a case."""

    case: Case
    violations: list[str] = field(default_factory=list)
    attempts: int = 0

    def __str__(self) -> str:
        return "\n  ".join((f"{self.case} (attempt {self.attempts})", *self.violations))


@dataclass(frozen=True, slots=True)
class _Converged:
    """An object that must not be written from now on."""

    outcome: Outcome
    stage: Stage
    start: int
    """Requests of the operator's user before."""
    version: int
    """Newest version of its objects then."""


def cases_of(recordings: Sequence[Recording]) -> list[Case]:
    """Every point of every recording at every moment, and each scenario with the operator down."""
    return [
        Case(recording, hit)
        for recording in recordings
        for hit in (None, *((point, moment) for point in recording.points() for moment in Moment))
    ]


async def sweep(lab: Lab, cases: Sequence[Case], *, lanes: int) -> list[Outcome]:
    """Run all cases, one at a time on each lane."""
    waiting = deque(cases)
    async with asyncio.TaskGroup() as tasks:
        workers = [tasks.create_task(_work(lab, waiting)) for _ in range(lanes)]
    return [outcome for worker in workers for outcome in worker.result()]


async def _work(lab: Lab, waiting: deque[Case]) -> list[Outcome]:
    async with lab.lane("crash-sweep", "--resync-seconds", str(RESYNC)) as lane:
        worker = _Worker(lane)
        while waiting:
            await worker.run(waiting.popleft())
        await worker.look_again()
        return worker.outcomes


class _Worker:
    """Runs cases on one lane."""

    def __init__(self, lane: Lane) -> None:
        self.outcomes: list[Outcome] = []
        self._lane = lane
        self._converged: list[_Converged] = []

    async def run(self, case: Case) -> None:
        """Run a case until its operator was killed where it says."""
        outcome = Outcome(case)
        self.outcomes.append(outcome)
        try:
            while not await self._attempt(case, outcome):
                if outcome.attempts == ATTEMPTS:
                    outcome.violations.append(f"the rule did not fire in {ATTEMPTS} runs")
                    return
        except (ClusterError, BenchError) as error:
            outcome.violations.append(f"{error}\n{self._lane.operator.log[-3000:]}")
            if not self._lane.operator.is_running:
                await self._lane.start()

    async def look_again(self) -> None:
        """Check that nothing was written to what had converged, not by any of the restarts since then."""
        await asyncio.sleep(TWO_RESYNCS)
        lane = self._lane
        for converged in self._converged:
            place, recording = converged.stage.place, converged.outcome.case.recording
            requests = lane.lab.audit.of(place.namespace, place.name, start=converged.start)
            reports = place.reports(after=converged.version)
            converged.outcome.violations += silence(requests, reports, seconds=TWO_RESYNCS)
            converged.outcome.violations += same_end(recording.final, place.state())
        self.outcomes[-1].violations += [*inside(lane.proxy.exchanges, lane.namespace), *lane.bugs()]

    async def _attempt(self, case: Case, outcome: Outcome) -> bool:
        """Play the scenario with its fault; whether the fault happened."""
        outcome.attempts += 1
        lane, recording = self._lane, case.recording
        stage = lane.stage(case.scenario.number)
        place = stage.place
        await case.scenario.prepare(stage)
        await place.becomes(recording.prepared, seconds=CONVERGENCE_TIMEOUT)
        outcome.violations += [f"before the fault: {text}" for text in same_end(recording.prepared, place.state())]
        await lane.accounted()
        start, version = len(lane.lab.audit), place.version
        if happened := await self._hit(case, stage):
            await lane.ended()
            await lane.start()
        await place.becomes(recording.final, seconds=CONVERGENCE_TIMEOUT)
        outcome.violations += same_end(recording.final, place.state())
        await lane.accounted()
        requests = lane.lab.audit.of(place.namespace, place.name, start=start)
        outcome.violations += self._judged(recording, stage, requests, version=version, faults=int(happened))
        self._converged.append(_Converged(outcome, stage, len(lane.lab.audit), place.version))
        return happened

    def _judged(
        self, recording: Recording, stage: Stage, requests: list[AuditedRequest], *, version: int, faults: int
    ) -> list[str]:
        """O2 and O4; what is wrong comes with the writes that led to it."""
        place = stage.place
        tally = Tally.of(requests, place.reports(after=version))
        writes, past_the_proxy = paired(requests, self._lane.proxy.exchanges)
        wrong = [*no_more_writes(recording.tally, tally, faults=faults), *past_the_proxy, *lawful(writes, place)]
        return wrong + [f"  {line}" for line in trail(writes, place)] if wrong else []

    async def _hit(self, case: Case, stage: Stage) -> bool:
        """Have the person act and the operator killed; whether it was."""
        lane = self._lane
        if case.hit is None:
            lane.kill()
            await lane.ended()
            await case.scenario.act(stage)
            return True
        point, moment = case.hit
        rule = Rule(
            *(point.verb, point.resource, point.nth, moment, Kill(lane.kill)), stage.place.namespace, stage.place.name
        )
        lane.proxy.rules.arm(rule)
        try:
            await case.scenario.act(stage)
            async with asyncio.timeout(_FIRE_TIMEOUT):
                await rule.fired.wait()
        except TimeoutError:
            return False
        finally:
            lane.proxy.rules.disarm(rule)
        return True
