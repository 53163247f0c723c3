"""Results as tables and documents; no I/O."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.measures import COMPARED, PUBLISHED, Measure, PeerName, Sizes, Spread, Summary

TITLES: Mapping[Measure, str] = {
    Measure.OWN_WRITES: "own writes per object",
    Measure.CPU: "own CPU per object, ms",
    Measure.SERVER_CPU: "API server CPU per object, ms",
    Measure.MEMORY: "memory after a restart with {population:,} objects, MiB",
    Measure.MEMORY_AFTER_WORK: "memory after creating {population:,} objects, MiB",
    Measure.RESTART_CPU: "restart with {population:,} objects, CPU s",
    Measure.RESTART_WRITES: "restart with {population:,} objects, writes",
    Measure.IDLE_REQUESTS: "requests in {idle_time:g} s when idle",
    Measure.MEDIAN_LATENCY: "apply to three children, p50 ms",
    Measure.TAIL_LATENCY: "apply to three children, p99 ms",
    Measure.BURST: "burst of {burst_objects} until all are ready, s",
}
_MANY = 100


@dataclass(frozen=True)
class Target:
    """A bound on a measure of this operator, absolute or as a ratio to a peer's."""

    text: str
    measure: Measure
    limit: float
    than: PeerName | None = None
    goal: float | None = None

    def reached(self, summary: Summary) -> float | None:
        """Return the value that is compared with the limit; None if a part of it was not measured."""
        own = summary.get(PeerName.MODELSERVICE, {}).get(self.measure)
        if own is None:
            return None
        if self.than is None:
            return own.median
        other = summary.get(self.than, {}).get(self.measure)
        return own.median / other.median if other and other.median else None


TARGETS = (
    Target("writes per new object", Measure.OWN_WRITES, 5, goal=4),
    Target("writes of a restart", Measure.RESTART_WRITES, 0),
    Target("requests when idle", Measure.IDLE_REQUESTS, 0),
    Target("CPU, ratio to go_mcr4", Measure.CPU, 1.0, PeerName.GO_PARALLEL, 0.7),
    Target("CPU, ratio to kopf", Measure.CPU, 0.25, PeerName.KOPF, 0.2),
    Target("memory, ratio to go_mcr4", Measure.MEMORY, 1.0, PeerName.GO_PARALLEL, 0.85),
    Target("restart, CPU s", Measure.RESTART_CPU, 1.5, goal=0.5),
    Target("apply to three children p50, ratio to go_mcr4", Measure.MEDIAN_LATENCY, 1.0, PeerName.GO_PARALLEL),
    Target("apply to three children p99, ratio to go_mcr4", Measure.TAIL_LATENCY, 1.0, PeerName.GO_PARALLEL),
    Target("burst, ratio to the raw bound", Measure.BURST, 1.3, PeerName.RAW, 1.1),
)


@dataclass(frozen=True)
class Results:
    """All results of one run."""

    summary: Summary
    requests: Mapping[PeerName, Mapping[str, float]]
    """Median requests for each object of the burst by "verb resource"."""
    sizes: Sizes
    versions: Mapping[str, str]
    provenance: str
    """Date and commit."""
    minutes: float


def results_json(summary: Summary) -> str:
    """Return the published medians."""
    peers = {
        peer.value: {measure.value: round(summary[peer][measure].median, 3) for measure in PUBLISHED}
        for peer in COMPARED
    }
    return json.dumps({"peers": peers}, indent=2) + "\n"


def measures_table(results: Results) -> str:
    """Return a Markdown table of medians with minimum and maximum, one row per measure."""
    peers = [peer for peer in PeerName if peer in results.summary]
    rows = [["", *peers]]
    for measure in Measure:
        title = TITLES[measure].format(**vars(results.sizes))
        cells = [_cell(results.summary[peer].get(measure)) for peer in peers]
        if any(cells):
            rows.append([title, *cells])
    return markdown_table(rows)


def targets_table(summary: Summary) -> str:
    """Return a table of the targets with the reached values."""
    rows = [["target", "at most", "goal", "reached", ""]]
    for target in TARGETS:
        reached = target.reached(summary)
        result = "not measured" if reached is None else "met" if reached <= target.limit + 1e-9 else "MISSED"
        goal = "" if target.goal is None else f"{target.goal:g}"
        rows.append([target.text, f"{target.limit:g}", goal, "" if reached is None else _number(reached), result])
    return markdown_table(rows)


def requests_table(requests: Mapping[PeerName, Mapping[str, float]]) -> str:
    """Return a table of the requests per object by verb and resource, without rows below one hundredth."""
    names = sorted({name for counts in requests.values() for name, count in counts.items() if count >= 1 / _MANY})
    peers = [peer for peer in PeerName if peer in requests]
    rows = [["", *peers]]
    rows += [[name, *(f"{requests[peer].get(name, 0):.2f}" for peer in peers)] for name in names]
    return markdown_table(rows)


def render_document(results: Results) -> str:
    """Return the content of RESULTS.md."""
    versions = "\n".join(f"- {name}: {version}" for name, version in results.versions.items())
    sizes = results.sizes
    return f"""# Benchmark

Written by `make bench` {results.provenance}
in {results.minutes:.0f} minutes; `README.md` describes the method.
Each cell is the median of {sizes.rounds} rounds ({sizes.restart_rounds} for memory, restart and idle requests), with
minimum and maximum in parentheses. Each round measures all peers, in rotated order. Differences within a range are
noise.

{measures_table(results)}

## Against the targets

{targets_table(results.summary)}

## Requests for each object of the burst

Median over the rounds, from the audit log. Own writes do not include Events.

{requests_table(results.requests)}

## Versions

{versions}
"""


def _cell(spread: Spread | None) -> str:
    if spread is None:
        return ""
    if spread.minimum == spread.maximum:
        return _number(spread.median)
    return f"{_number(spread.median)} ({_number(spread.minimum)}-{_number(spread.maximum)})"


def _number(value: float) -> str:
    if value == int(value):
        return f"{value:.0f}"
    return f"{value:.0f}" if abs(value) >= _MANY else f"{value:.2f}"


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns; the first row is the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    pad: Callable[[Sequence[str]], str] = lambda row: "| " + " | ".join(map(str.ljust, row, widths)) + " |"  # noqa: E731
    head, *body = rows
    return "\n".join([pad(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(pad, body)])
