"""Command line: `python -m bench prepare|run|scale|isolation|loader`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from bench.errors import BenchError
from bench.isolation import OBJECTS as ISOLATION_OBJECTS
from bench.isolation import measure_isolation
from bench.loader import ROUNDS, measure_loader
from bench.measures import COMPARED, PeerName, Sizes
from bench.peer_commands import prepare
from bench.provenance import Provenance
from bench.scale import OBJECTS, measure_scale
from bench.side_by_side import compare_peers, format_results, publish
from tests.environment.cluster import ClusterError
from tests.environment.cluster.progress import say


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        match chosen.command:
            case "scale":
                text = measure_scale(chosen.objects)
            case "prepare":
                prepare(tuple(PeerName))
                text = "The peers are installed."
            case "isolation":
                text = measure_isolation(chosen.objects)
            case "loader":
                text = measure_loader(chosen.rounds, chosen.case, chosen.programs)
            case _:
                text = _run(chosen)
    except (BenchError, ClusterError) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(text + "\n")
    return 0


def _run(chosen: argparse.Namespace) -> str:
    sizes = Sizes.quick() if chosen.quick else Sizes()
    if chosen.rounds is not None:
        sizes = replace(sizes, rounds=chosen.rounds)
    peers = tuple(dict.fromkeys(chosen.peers))
    if set(COMPARED).issubset(peers) and sizes.rounds >= Sizes().rounds and not chosen.quick:
        results = compare_peers(peers, sizes, provenance=str(Provenance.current()))
        publish(results)
    else:
        results = compare_peers(peers, sizes)
        say(f"Nothing is written: that takes all peers, the full sizes and at least {Sizes().rounds} rounds.")
    return format_results(results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Compares this operator with others.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure all peers side by side and write RESULTS.md and results.json")
    run.add_argument("--rounds", type=_positive, help=f"rounds of latency and burst (default: {Sizes().rounds})")
    run.add_argument("--peers", nargs="+", type=PeerName, choices=COMPARED, default=COMPARED, help="default: all")
    run.add_argument("--quick", action="store_true", help="small numbers, to check that all parts work")
    commands.add_parser("prepare", help="install and build the peers, once per lock file")
    scale = commands.add_parser("scale", help="measure a cold restart of this operator with many objects")
    scale.add_argument("--objects", type=_positive, default=OBJECTS, help=f"default: {OBJECTS}")
    isolation = commands.add_parser("isolation", help="measure latencies while objects of another namespace hang")
    isolation.add_argument("--objects", type=_positive, default=ISOLATION_OBJECTS, help=f"default: {ISOLATION_OBJECTS}")
    loader = commands.add_parser("loader", help="compare the loader with other programs that download from S3")
    loader.add_argument("--rounds", type=_positive, default=ROUNDS, help=f"fewer than {ROUNDS} write nothing")
    loader.add_argument("--case", default="", help="part of the names of the cases to measure; nothing is written")
    loader.add_argument("--programs", nargs="+", default=(), help="only these programs; nothing is written")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
