"""The whole comparison: all rounds of all peers, then memory and restart, then table and files."""

import os
import platform
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.arena import arena
from bench.contestants import prepare
from bench.go_peer import go_version, required_version
from bench.measures import COMPARED, Figures, Measure, PeerName, Sizes, rotated, summary_of
from bench.population import CREATORS, measure_restart, populate
from bench.report import Results, document, results_json, table, targets_table
from bench.rounds import RoundResult, measure_round
from tests.environment.cluster.programs import kubernetes_version
from tests.environment.cluster.progress import say, showing

HERE = Path(__file__).parent


def compare(peers: tuple[PeerName, ...], sizes: Sizes) -> Results:
    """Measure the peers and return what was found."""
    started = time.monotonic()
    prepare(peers)
    rounds: dict[PeerName, list[RoundResult]] = {peer: [] for peer in peers}
    for number in range(sizes.rounds):
        _one_round(peers, number, sizes, rounds)
    figures: dict[PeerName, list[Figures]] = {peer: [result.figures for result in rounds[peer]] for peer in peers}
    for peer, found in _at_rest(peers, sizes).items():
        figures.setdefault(peer, []).extend(found)
    return Results(
        summary=summary_of(figures),
        requests={peer: _median_requests(results) for peer, results in rounds.items()},
        sizes=sizes,
        versions=_versions(),
        date=datetime.now(UTC).date().isoformat(),
        minutes=(time.monotonic() - started) / 60,
    )


def publish(results: Results, folder: Path = HERE) -> None:
    """Write RESULTS.md and results.json."""
    (folder / "RESULTS.md").write_text(document(results), encoding="utf-8")
    (folder / "results.json").write_text(results_json(results.summary), encoding="utf-8")
    say(f"Wrote {folder.name}/RESULTS.md and {folder.name}/results.json.")


def spoken(results: Results) -> str:
    """Return what a person at the terminal reads at the end."""
    return f"{table(results)}\n\n{targets_table(results.summary)}\n"


def is_complete(results: Results) -> bool:
    """Whether every peer that is published was measured."""
    return all(peer in results.requests for peer in COMPARED)


def _one_round(
    peers: tuple[PeerName, ...], number: int, sizes: Sizes, rounds: dict[PeerName, list[RoundResult]]
) -> None:
    """Measure each peer once on a fresh control plane: nothing is left of the round before."""
    with arena(peers) as place:
        for position, peer in enumerate(rotated(peers, number), start=1):
            done = number * len(peers) + position
            step = f"[{done}/{sizes.rounds * len(peers)}] round {number + 1}, {peer}"
            with showing(step, lambda: ""):
                result = measure_round(place, peer, number, sizes)
            rounds[peer].append(result)
            say(f"    {_line(result.figures)}")


def _at_rest(peers: tuple[PeerName, ...], sizes: Sizes) -> dict[PeerName, list[Figures]]:
    """Measure memory, restart and rest, all on one control plane: the objects are what takes long."""
    more = (PeerName.GO_WITH_PODS,) if PeerName.GO_PARALLEL in peers else ()
    starters = (*peers, *more)
    creators = tuple(dict.fromkeys(CREATORS[peer] for peer in starters))
    found: dict[PeerName, list[Figures]] = {}
    with arena(tuple(dict.fromkeys((*starters, *creators)))) as place:
        for peer in creators:
            with showing(f"{sizes.population} objects by {peer}", lambda: ""):
                found.setdefault(peer, []).append(populate(place, peer, sizes.population))
        for number in range(sizes.restart_rounds):
            for peer in rotated(starters, number):
                with showing(f"restart {number + 1}/{sizes.restart_rounds} of {peer}", lambda: ""):
                    restart = measure_restart(place, peer, sizes)
                found.setdefault(peer, []).append(restart.figures)
                say(f"    {_line(restart.figures)}, at rest after {restart.seconds:.1f} s")
    return {peer: figures for peer, figures in found.items() if peer in starters}


def _median_requests(results: Sequence[RoundResult]) -> dict[str, float]:
    names = {name for result in results for name in result.requests}
    return {name: statistics.median(result.requests.get(name, 0.0) for result in results) for name in sorted(names)}


def _line(figures: Figures) -> str:
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
