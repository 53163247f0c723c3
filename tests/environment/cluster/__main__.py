"""Command line: `python -m tests.environment.cluster build|up|down|kubeconfig|kubectl`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.environment.cluster import existing
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.lifecycle import attach, build, default_state, default_tier, down, sweep, up
from tests.environment.cluster.model import Cluster, Tier
from tests.environment.cluster.progress import say

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        chosen.run(chosen)
    except ClusterError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.environment.cluster", description=(__doc__ or "").partition(":")[0]
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--tier", type=Tier, choices=list(Tier), help="default: CLUSTER, or the most real one here")
    version = argparse.ArgumentParser(add_help=False)
    help_text = "minor version, such as 1.33 (control-plane tier); default: CLUSTER_KUBERNETES, or the newest"
    version.add_argument("--kubernetes", metavar="VERSION", help=help_text)
    place.add_argument("--state", type=Path, help="the cluster's directory; default: one per tier")

    command = commands.add_parser(
        "build", parents=[place, version], help="build what a tier needs, without starting it"
    )
    command.set_defaults(run=_build)
    command = commands.add_parser("up", parents=[place, version], help="start a cluster that keeps running")
    command.add_argument("--port", type=int, help="port of the API server (control-plane tier); default: a free one")
    command.set_defaults(run=_up)
    command = commands.add_parser("down", parents=[place], help="end a cluster, and what killed test runs left")
    command.set_defaults(run=_down)
    command = commands.add_parser("kubeconfig", parents=[place], help="print the path of the kubeconfig")
    command.set_defaults(run=_kubeconfig)
    command = commands.add_parser("kubectl", parents=[place], help="run kubectl against the cluster")
    command.add_argument("words", nargs="*", metavar="-- ARGUMENT")
    command.set_defaults(run=_kubectl)
    return parser


def _tier(chosen: argparse.Namespace) -> Tier:
    return chosen.tier or default_tier()


def _state(chosen: argparse.Namespace) -> Path:
    return chosen.state or default_state(_tier(chosen))


def _build(chosen: argparse.Namespace) -> None:
    build(_tier(chosen), kubernetes=chosen.kubernetes)


def _up(chosen: argparse.Namespace) -> None:
    started = time.monotonic()
    cluster = up(_tier(chosen), state=_state(chosen), port=chosen.port, kubernetes=chosen.kubernetes)
    say(f"The {cluster.tier} cluster is ready after {time.monotonic() - started:.1f} s at {cluster.server}.")
    say(f"export KUBECONFIG={cluster.kubeconfig}")


def _down(chosen: argparse.Namespace) -> None:
    if chosen.state and not chosen.state.exists():
        raise ClusterError(f"{chosen.state} does not exist.")
    for folder in _folders_to_end(chosen):
        if folder.exists():
            down(folder)
            say(f"Ended the cluster in {folder}.")
    sweep()


def _folders_to_end(chosen: argparse.Namespace) -> list[Path]:
    """Without a choice, every cluster that `up` may have left in a default directory."""
    if chosen.state or chosen.tier:
        return [_state(chosen)]
    return [default_state(tier) for tier in Tier if tier is not Tier.EXISTING]


def _kubeconfig(chosen: argparse.Namespace) -> None:
    print(_running(chosen).kubeconfig)


def _kubectl(chosen: argparse.Namespace) -> None:
    cluster = _running(chosen)
    environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}
    os.execve(cluster.kubectl, ["kubectl", *chosen.words], environment)  # noqa: S606 - the user's own command


def _running(chosen: argparse.Namespace) -> Cluster:
    state = _state(chosen)
    cluster = existing.connect() if _tier(chosen) is Tier.EXISTING else attach(state)
    if cluster is None:
        raise ClusterError(f"No cluster runs for {state}; start it with `python -m tests.environment.cluster up`.")
    return cluster


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
