"""Cold restart of this operator with ten thousand objects of 0 replicas."""

import asyncio
import time
from dataclasses import dataclass

from bench import processes
from bench.audit import by_verb
from bench.bench_cluster import BenchCluster, start_bench_cluster
from bench.measures import PeerName
from bench.peer_commands import prepare, user_of
from bench.rounds import open_driver
from tests.environment.cluster.progress import say, showing

OBJECTS = 10_000
_NAMESPACE = "scale"
_EVERYWHERE = ""
_START_TIMEOUT = 300.0
_IDLE_SECONDS = 10.0
_OPERATOR = PeerName.MODELSERVICE


@dataclass(frozen=True)
class ColdStart:
    """Time, CPU, memory and requests of a restart."""

    objects: int
    seconds: float
    cpu: float
    memory: float
    writes: int
    idle_requests: int

    def __str__(self) -> str:
        return (
            f"Cold restart with {self.objects:,} objects: idle after {self.seconds:.1f} s (target: below 15),"
            f" {self.writes} writes (0), {self.memory:.0f} MiB (below 450), {self.cpu:.1f} s of CPU,"
            f" {self.idle_requests} requests in {_IDLE_SECONDS:g} s when idle."
        )


def measure_scale(objects: int = OBJECTS) -> str:
    """Create the objects, restart the operator, and return the results as text."""
    prepare((_OPERATOR,))
    with start_bench_cluster((_OPERATOR,)) as bench_cluster:
        creation = asyncio.run(_create(bench_cluster, objects))
        say(creation)
        with showing("Cold restart", lambda: ""):
            start = asyncio.run(_restart(bench_cluster, objects))
    return f"{creation}\n{start}"


async def _create(bench_cluster: BenchCluster, objects: int) -> str:
    async with open_driver(bench_cluster, _NAMESPACE) as driver:
        with (
            bench_cluster.run_peer(_OPERATOR, _EVERYWHERE) as pid,
            showing(f"Creating {objects:,} objects", lambda: f"({driver.ready_count:,} ready)"),
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


async def _restart(bench_cluster: BenchCluster, objects: int) -> ColdStart:
    window, user = bench_cluster.open_audit_window(), user_of(_OPERATOR)
    with bench_cluster.run_peer(_OPERATOR, _EVERYWHERE) as pid:
        seconds = await processes.wait_until_idle(pid, seconds=_START_TIMEOUT, description="the operator")
        cpu, memory = processes.cpu_seconds(pid), processes.rss_mib(pid)
        idle_window = bench_cluster.open_audit_window()
        await asyncio.sleep(_IDLE_SECONDS)
        idle = idle_window.requests(user)
        writes = sum(request.is_write for request in window.requests(user))
    if idle:
        say(f"Requests when idle: {dict(by_verb(idle))}")
    return ColdStart(objects, seconds, cpu, memory, writes, len(idle))
