"""Memory, restart and idle requests with many existing objects."""

import asyncio
from dataclasses import dataclass

from bench import processes
from bench.bench_cluster import BenchCluster
from bench.measures import Figures, Measure, PeerName, Sizes
from bench.peer_commands import user_of
from bench.rounds import open_driver

_START_TIMEOUT = 120.0
CREATORS = {
    PeerName.MODELSERVICE: PeerName.MODELSERVICE,
    PeerName.GO_SERIAL: PeerName.GO_PARALLEL,
    PeerName.GO_PARALLEL: PeerName.GO_PARALLEL,
    PeerName.GO_WITH_PODS: PeerName.GO_PARALLEL,
    PeerName.KOPF: PeerName.KOPF,
    PeerName.RAW: PeerName.GO_PARALLEL,
}
"""Creator of the objects for a peer's restart: itself or its program with other options. The raw client reads none."""

_REPLICAS = {PeerName.GO_PARALLEL: 1}
"""Pods take long to start, and only the Go operator is measured with pods in its cache."""


@dataclass(frozen=True)
class Restart:
    """Start of a peer with objects that need no change."""

    figures: Figures
    seconds: float
    """Time from the start to the peer's last CPU use."""


def namespace_of(peer: PeerName) -> str:
    """Return the namespace of the objects for a peer's restart."""
    return f"population-{CREATORS[peer].replace('_', '-')}"


def populate(bench_cluster: BenchCluster, peer: PeerName, count: int) -> Figures:
    """Create many objects, let a peer create their children, and return its memory afterwards."""

    async def fill() -> Figures:
        async with open_driver(bench_cluster, namespace_of(peer)) as driver:
            with bench_cluster.run_peer(peer, namespace_of(peer)) as pid:
                await driver.warm_up()
                await driver.create("object", count, replicas=_REPLICAS.get(peer, 0))
                await processes.wait_until_idle(pid, seconds=_START_TIMEOUT, description=str(peer))
                return {Measure.MEMORY_AFTER_WORK: processes.rss_mib(pid)}

    return asyncio.run(fill())


def measure_restart(bench_cluster: BenchCluster, peer: PeerName, sizes: Sizes) -> Restart:
    """Start a peer with complete objects, wait until it is idle, and count its requests from then on."""

    async def start() -> Restart:
        window = bench_cluster.open_audit_window()
        with bench_cluster.run_peer(peer, namespace_of(peer)) as pid:
            seconds = await processes.wait_until_idle(pid, seconds=_START_TIMEOUT, description=str(peer))
            cpu, memory = processes.cpu_seconds(pid), processes.rss_mib(pid)
            idle_window = bench_cluster.open_audit_window()
            await asyncio.sleep(sizes.idle_time)
            idle = len(idle_window.requests(user_of(peer)))
            writes = sum(request.is_write for request in window.requests(user_of(peer)))
        figures: Figures = {
            Measure.MEMORY: memory,
            Measure.RESTART_CPU: cpu,
            Measure.RESTART_WRITES: writes,
            Measure.IDLE_REQUESTS: idle,
        }
        return Restart(figures, seconds)

    return asyncio.run(start())
