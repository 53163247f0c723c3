"""Memory, restart and rest with many objects that are there already."""

import asyncio
from dataclasses import dataclass

from bench import processes
from bench.arena import Arena
from bench.contestants import user_of
from bench.measures import Figures, Measure, PeerName, Sizes
from bench.rounds import driving

_SECONDS_TO_START = 120.0
CREATORS = {
    PeerName.MODELSERVICE: PeerName.MODELSERVICE,
    PeerName.GO_SERIAL: PeerName.GO_PARALLEL,
    PeerName.GO_PARALLEL: PeerName.GO_PARALLEL,
    PeerName.GO_WITH_PODS: PeerName.GO_PARALLEL,
    PeerName.KOPF: PeerName.KOPF,
    PeerName.RAW: PeerName.GO_PARALLEL,
}
"""Who made the objects that a peer finds: itself, or the same program with other options. The raw client reads none."""

_REPLICAS = {PeerName.GO_PARALLEL: 1}
"""Pods take long to come, and only the Go operator is measured with a cache of them."""


@dataclass(frozen=True)
class Restart:
    """A peer that starts with objects that need nothing."""

    figures: Figures
    seconds: float
    """From the start to its last work."""


def namespace_of(peer: PeerName) -> str:
    """Return the namespace whose objects a peer finds when it starts."""
    return f"population-{CREATORS[peer].replace('_', '-')}"


def populate(arena: Arena, peer: PeerName, count: int) -> Figures:
    """Have a peer make the children of many objects; return its memory afterwards."""

    async def fill() -> Figures:
        async with driving(arena, namespace_of(peer)) as driver:
            with arena.running(peer, namespace_of(peer)) as pid:
                await driver.warm_up()
                await driver.create("object", count, replicas=_REPLICAS.get(peer, 0))
                await processes.until_quiet(pid, seconds=_SECONDS_TO_START, what=str(peer))
                return {Measure.MEMORY_AFTER_WORK: processes.rss_mib(pid)}

    return asyncio.run(fill())


def measure_restart(arena: Arena, peer: PeerName, sizes: Sizes) -> Restart:
    """Start a peer where all is done already, wait until it rests, and listen to its rest."""

    async def start() -> Restart:
        window = arena.audit()
        with arena.running(peer, namespace_of(peer)) as pid:
            seconds = await processes.until_quiet(pid, seconds=_SECONDS_TO_START, what=str(peer))
            cpu, memory = processes.cpu_seconds(pid), processes.rss_mib(pid)
            rest = arena.audit()
            await asyncio.sleep(sizes.idle_time)
            idle = len(rest.requests(user_of(peer)))
            writes = sum(request.is_write for request in window.requests(user_of(peer)))
        figures: Figures = {
            Measure.MEMORY: memory,
            Measure.RESTART_CPU: cpu,
            Measure.RESTART_WRITES: writes,
            Measure.IDLE_REQUESTS: idle,
        }
        return Restart(figures, seconds)

    return asyncio.run(start())
