"""A run without faults: what it asks for, what it leaves, and where it could be hit."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.environment.audit import STATUS, AuditedRequest
from tests.environment.cluster import ClusterError
from tests.environment.faults.calls import STREAMS
from tests.environment.faults.lab import Lane, eventually
from tests.environment.faults.oracles import Tally, lawful, no_echoes, paired
from tests.environment.faults.scenarios import Scenario
from tests.environment.faults.state import milestones

LOOK = "get modelservices"
CALM = 2.5
"""Seconds without a request of the operator after which a run is over: more than two of its status intervals."""
_CALM_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Point:
    """The `nth` call of a kind that a scenario's run makes: a place where it could be hit."""

    verb: str
    resource: str
    nth: int

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} #{self.nth}"


@dataclass(frozen=True, slots=True)
class Recording:
    """Everything that one run of a scenario did, from the user's action on."""

    scenario: Scenario
    requests: list[AuditedRequest]
    """Everything that named an object of the scenario, in the order of the audit log."""
    tally: Tally
    prepared: dict[str, Any]
    """Masked state in which the stage was set."""
    final: dict[str, Any]
    rollout_seconds: float
    """Duration of the rollout: the status may be written one more time for each second of it."""
    violations: list[str]

    def calls(self) -> Counter[str]:
        """Count all requests but those of the status by verb and resource."""
        return Counter(str(request.call) for request in self.requests if str(request.call) != STATUS)

    def milestones(self) -> list[str]:
        """Return the reports of the status, in order."""
        return milestones(self.tally.reports)

    def points(self) -> list[Point]:
        """Every call of the run. Of status writes there are as many as milestones: more only where time allows.

        The number of reads of a ModelService depends on the order in which its predecessor's children go; a kill at a
        read leaves what one before the next write leaves.
        """
        calls = Counter({call: count for call, count in self.calls().items() if call != LOOK})
        counts = calls + Counter({STATUS: len(self.milestones())})
        each = ((*call.partition(" ")[::2], count) for call, count in counts.items())
        return [Point(verb, resource, nth) for verb, resource, count in each for nth in range(1, count + 1)]


async def record(lane: Lane, scenario: Scenario) -> Recording:
    """Play a scenario without faults, and keep what it was."""
    stage = lane.stage(scenario.number)
    place, audit = stage.place, lane.lab.audit
    await scenario.prepare(stage)
    await calm(lane, place.name)
    await lane.accounted()
    prepared, version, start = place.state(), place.version, len(audit)
    await scenario.act(stage)
    await scenario.finish(stage)
    await calm(lane, place.name)
    await lane.accounted()
    requests = [request for request in audit.of(place.namespace, place.name, start=start) if is_single(request)]
    tally = Tally.of(requests, place.reports(after=version))
    writes, past_the_proxy = paired(requests, lane.proxy.exchanges)
    violations = [*past_the_proxy, *lawful(writes, place), *no_echoes(tally)]
    seconds = place.rollout_seconds(after=version)
    return Recording(scenario, requests, tally, prepared, place.state(), seconds, violations)


async def calm(lane: Lane, name: str) -> None:
    """Return when the operator has asked nothing about a name for a while."""
    since = asyncio.get_running_loop().time()
    if not await eventually(lambda: lane.silent_for(name, since=since) > CALM, seconds=_CALM_TIMEOUT):
        raise ClusterError(f"The operator does not come to rest over {name}:\n{lane.operator.log[-3000:]}")


def is_single(request: AuditedRequest) -> bool:
    """Return True if a request is about a single object: lists and watches belong to the caches."""
    return request.call.verb not in STREAMS
