"""Ten thousand objects of no replicas, and a cold restart of this operator among them."""

import asyncio
import time
from dataclasses import dataclass

from bench import processes
from bench.arena import Arena, arena
from bench.audit import by_verb
from bench.contestants import prepare, user_of
from bench.measures import PeerName
from bench.rounds import driving
from tests.environment.cluster.progress import say, showing

OBJECTS = 10_000
_NAMESPACE = "scale"
_EVERYWHERE = ""
_SECONDS_TO_START = 300.0
_IDLE = 10.0
_OPERATOR = PeerName.MODELSERVICE


@dataclass(frozen=True)
class ColdStart:
    """What a restart cost."""

    seconds: float
    cpu: float
    memory: float
    writes: int
    idle_requests: int

    def __str__(self) -> str:
        return (
            f"Cold restart among {OBJECTS:,} objects: at rest after {self.seconds:.1f} s (target: below 15),"
            f" {self.writes} writes (0), {self.memory:.0f} MiB (below 450), {self.cpu:.1f} s of CPU,"
            f" {self.idle_requests} requests in {_IDLE:g} s of rest."
        )


def measure_scale(objects: int = OBJECTS) -> str:
    """Create the objects, restart the operator, and return what it cost as sentences."""
    prepare((_OPERATOR,))
    with arena((_OPERATOR,)) as place:
        creation = asyncio.run(_create(place, objects))
        say(creation)
        with showing("Cold restart", lambda: ""):
            start = asyncio.run(_restart(place))
    return f"{creation}\n{start}"


async def _create(place: Arena, objects: int) -> str:
    async with driving(place, _NAMESPACE) as driver:
        with (
            place.running(_OPERATOR, _EVERYWHERE) as pid,
            showing(f"Creating {objects:,} objects", lambda: f"({driver.ready:,} ready)"),
        ):
            await driver.warm_up()
            before, started = processes.cpu_seconds(pid), time.monotonic()
            await driver.create("object", objects, replicas=0)
            wall, used = time.monotonic() - started, processes.cpu_seconds(pid) - before
            memory = processes.rss_mib(pid)
    return (
        f"Created {objects:,} objects in {wall:.0f} s with {used * 1000 / objects:.2f} ms of the operator's CPU each;"
        f" {memory:.0f} MiB afterwards."
    )


async def _restart(place: Arena) -> ColdStart:
    window, user = place.audit(), user_of(_OPERATOR)
    with place.running(_OPERATOR, _EVERYWHERE) as pid:
        seconds = await processes.until_quiet(pid, seconds=_SECONDS_TO_START, what="the operator")
        cpu, memory = processes.cpu_seconds(pid), processes.rss_mib(pid)
        rest = place.audit()
        await asyncio.sleep(_IDLE)
        idle = rest.requests(user)
        writes = sum(request.is_write for request in window.requests(user))
    if idle:
        say(f"Requests at rest: {dict(by_verb(idle))}")
    return ColdStart(seconds, cpu, memory, writes, len(idle))
