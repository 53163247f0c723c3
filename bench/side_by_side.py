"""The comparison: all rounds of all peers, then memory and restart, then tables and files."""

import os
import platform
import statistics
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from bench.bench_cluster import start_bench_cluster
from bench.go_peer import go_version, required_version
from bench.measures import Figures, Measure, PeerName, Sizes, rotated, summarize
from bench.peer_commands import prepare
from bench.population import CREATORS, measure_restart, populate
from bench.report import Results, measures_table, render_document, results_json, targets_table
from bench.rounds import RoundResult, measure_round
from tests.environment.cluster.programs import kubernetes_version
from tests.environment.cluster.progress import say, showing

HERE = Path(__file__).parent


def compare_peers(peers: tuple[PeerName, ...], sizes: Sizes, *, provenance: str = "") -> Results:
    """Measure the peers and return the results. `provenance` is the date and the commit, for results to publish."""
    started = time.monotonic()
    prepare(peers)
    rounds: dict[PeerName, list[RoundResult]] = {peer: [] for peer in peers}
    for number in range(sizes.rounds):
        _one_round(peers, number, sizes, rounds)
    figures: dict[PeerName, list[Figures]] = {peer: [result.figures for result in rounds[peer]] for peer in peers}
    for peer, found in _measure_idle_peers(peers, sizes).items():
        figures.setdefault(peer, []).extend(found)
    return Results(
        summary=summarize(figures),
        requests={peer: _median_requests(results) for peer, results in rounds.items()},
        sizes=sizes,
        versions=_versions(),
        provenance=provenance,
        minutes=(time.monotonic() - started) / 60,
    )


def publish(results: Results, directory: Path = HERE) -> None:
    """Write RESULTS.md and results.json."""
    (directory / "RESULTS.md").write_text(render_document(results), encoding="utf-8")
    (directory / "results.json").write_text(results_json(results.summary), encoding="utf-8")
    say(f"Wrote {directory.name}/RESULTS.md and {directory.name}/results.json.")


def format_results(results: Results) -> str:
    """Return the text that is printed at the end."""
    return f"{measures_table(results)}\n\n{targets_table(results.summary)}\n"


def _one_round(
    peers: tuple[PeerName, ...], number: int, sizes: Sizes, rounds: dict[PeerName, list[RoundResult]]
) -> None:
    """Measure each peer once on a new control plane."""
    with start_bench_cluster(peers) as bench_cluster:
        for position, peer in enumerate(rotated(peers, number), start=1):
            done = number * len(peers) + position
            step = f"[{done}/{sizes.rounds * len(peers)}] round {number + 1}, {peer}"
            with showing(step, lambda: ""):
                result = measure_round(bench_cluster, peer, number, sizes)
            rounds[peer].append(result)
            say(f"    {_format_figures(result.figures)}")


def _measure_idle_peers(peers: tuple[PeerName, ...], sizes: Sizes) -> dict[PeerName, list[Figures]]:
    """Measure memory, restart and idle requests on one control plane, since creating the objects takes long."""
    more = (PeerName.GO_WITH_PODS,) if PeerName.GO_PARALLEL in peers else ()
    starters = (*peers, *more)
    creators = tuple(dict.fromkeys(CREATORS[peer] for peer in starters))
    found: dict[PeerName, list[Figures]] = {}
    with start_bench_cluster(tuple(dict.fromkeys((*starters, *creators)))) as bench_cluster:
        for peer in creators:
            with showing(f"{sizes.population} objects by {peer}", lambda: ""):
                found.setdefault(peer, []).append(populate(bench_cluster, peer, sizes.population))
        for number in range(sizes.restart_rounds):
            for peer in rotated(starters, number):
                with showing(f"restart {number + 1}/{sizes.restart_rounds} of {peer}", lambda: ""):
                    restart = measure_restart(bench_cluster, peer, sizes)
                found.setdefault(peer, []).append(restart.figures)
                say(f"    {_format_figures(restart.figures)}, idle after {restart.seconds:.1f} s")
    return {peer: figures for peer, figures in found.items() if peer in starters}


def _median_requests(results: Sequence[RoundResult]) -> dict[str, float]:
    names = {name for result in results for name in result.requests}
    return {name: statistics.median(result.requests.get(name, 0.0) for result in results) for name in sorted(names)}


def _format_figures(figures: Figures) -> str:
    return ", ".join(f"{measure} {figures[measure]:.4g}" for measure in Measure if measure in figures)


def _versions() -> dict[str, str]:
    return {
        "Kubernetes": f"{kubernetes_version()}, simulated nodes and pods",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "Python": platform.python_version(),
        "kopf": version("kopf"),
        "kubernetes (of the kopf peer)": version("kubernetes"),
        "aiohttp": version("aiohttp"),
        "Go": go_version().removeprefix("go"),
        "controller-runtime": required_version("sigs.k8s.io/controller-runtime"),
    }
