"""Parts of several commands: the time, the name of the program, one ModelService with what belongs to it."""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.family import Family, read_family
from modelservice_cli.cluster.lookup import get_model_service
from modelservice_cli.errors import ExitCode
from modelservice_cli.output import Style, paint
from modelservice_cli.view.managers import manager_of
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Object

RESOURCE = "modelservice.modelservice.dev"
"""Resource of names that are printed, as in kubectl."""


def now() -> datetime:
    """Return the time, with which ages are computed."""
    return datetime.now(UTC)


def program_name() -> str:
    """Return the program as users type it, for commands in messages."""
    return "kubectl modelservice" if Path(sys.argv[0]).name.startswith("kubectl-") else "modelservice"


def add_name(parser: argparse.ArgumentParser) -> None:
    """Add the name of a ModelService."""
    parser.add_argument("name", metavar="NAME", help="ModelService")


def read_named_family(cluster: Cluster, name: str, *, with_events: bool = True) -> Family:
    """Return a ModelService with everything that belongs to it. Raises CliError with the nearest names."""
    return read_family(cluster, get_model_service(cluster, name), with_events=with_events)


def warn_of_manager(service: Object) -> None:
    """Say on standard error that a GitOps tool will take a change back."""
    if tool := manager_of(service):
        note(f"{tool} applies this ModelService and may take the change back: change it at its source as well.")


def note(text: str) -> None:
    """Print a note on standard error, which is not part of the output."""
    print(paint(text, Style.NOTE, sys.stderr), file=sys.stderr)


def parse_seconds(text: str) -> float:
    """Return the seconds of a duration such as 90s, 5m or 1h; a number without a unit is in seconds."""
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        seconds = float(number) * units[unit]
    except ValueError:
        seconds = -1
    if seconds < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 90s, 5m or 1h")
    return seconds


def clear_terminal() -> bool:
    """Clear the terminal; return False if standard output is none."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return False
    sys.stdout.write("\x1b[H\x1b[2J")
    return True


def set_suspend(options: argparse.Namespace, *, suspend: bool) -> int:
    """Suspend or resume a ModelService, and print what was done."""
    word = "suspended" if suspend else "resumed"
    with Cluster.connect(options) as cluster:
        service = get_model_service(cluster, options.name)
        if bool((service.get("spec") or {}).get("suspend")) == suspend:
            print(f"{RESOURCE}/{options.name} {'is suspended already' if suspend else 'is not suspended'}")
            return ExitCode.OK
        warn_of_manager(service)
        cluster.patch(MODEL_SERVICE, options.name, {"spec": {"suspend": suspend}})
    print(f"{RESOURCE}/{options.name} {word}")
    return ExitCode.OK
