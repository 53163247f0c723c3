"""Measures, peers and statistics; no I/O."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Measure(StrEnum):
    """A measure of one peer; the value is its name in results.json."""

    OWN_WRITES = "own_writes_per_object"
    CPU = "cpu_ms_per_object"
    SERVER_CPU = "apiserver_cpu_ms_per_object"
    MEMORY = "rss_mib_1000"
    RESTART_CPU = "restart_cpu_s"
    RESTART_WRITES = "restart_writes"
    IDLE_REQUESTS = "idle_requests"
    MEDIAN_LATENCY = "p50_ms"
    TAIL_LATENCY = "p99_ms"
    BURST = "burst_s"
    MEMORY_AFTER_WORK = "rss_mib_after_creating"
    """Memory of the process that created the 1,000 objects; measured once, so that results.json does not have it."""


PUBLISHED = tuple(measure for measure in Measure if measure is not Measure.MEMORY_AFTER_WORK)


class PeerName(StrEnum):
    """A program that is measured; the value is its name in results.json."""

    MODELSERVICE = "modelservice"
    GO_SERIAL = "go_mcr1"
    GO_PARALLEL = "go_mcr4"
    KOPF = "kopf"
    RAW = "raw"
    GO_WITH_PODS = "go_mcr4_pods"
    """The Go operator with Pods and ReplicaSets in its cache: only measured when idle."""


COMPARED = tuple(name for name in PeerName if name is not PeerName.GO_WITH_PODS)

Figures = dict[Measure, float]
"""Measured values of one peer in one round."""


@dataclass(frozen=True)
class Spread:
    """Median and range of a measure over all rounds."""

    median: float
    minimum: float
    maximum: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Summarize at least one value."""
        return cls(statistics.median(values), min(values), max(values), len(values))


Summary = Mapping[PeerName, Mapping[Measure, Spread]]


@dataclass(frozen=True)
class Sizes:
    """Numbers of rounds and objects. Times are seconds."""

    rounds: int = 5
    latency_objects: int = 50
    burst_objects: int = 200
    population: int = 1000
    restart_rounds: int = 3
    idle_time: float = 4.0

    @classmethod
    def quick(cls) -> Self:
        """Return sizes that check that all parts work; the results are meaningless."""
        return cls(rounds=1, latency_objects=3, burst_objects=10, population=10, restart_rounds=1, idle_time=1.0)


def percentile(values: Sequence[float], fraction: float) -> float:
    """Return the value that `fraction` (0 to 1) of all values do not exceed (nearest-rank method)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]


def rotated(peers: Sequence[PeerName], number: int) -> tuple[PeerName, ...]:
    """Return the order of round `number`: over the rounds, each peer has each position equally often."""
    start = number % len(peers)
    return (*peers[start:], *peers[:start])


def summarize(rounds: Mapping[PeerName, Sequence[Figures]]) -> dict[PeerName, dict[Measure, Spread]]:
    """Return the spread of every measure that a peer has; a round may hold only some of them."""
    return {
        peer: {
            measure: Spread.of(values)
            for measure in Measure
            if (values := [figures[measure] for figures in found if measure in figures])
        }
        for peer, found in rounds.items()
    }
