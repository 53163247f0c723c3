"""Show the Events of a ModelService, its children and its pods, the newest last.

Examples:
  modelservice events iris
  modelservice events iris --watch
  modelservice events iris --warnings
"""

import argparse
import sys

from modelservice_cli.arguments import add_cluster, add_output, add_watch
from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.family import EVENT, event_time, select_events
from modelservice_cli.cluster.watching import DELETED, follow
from modelservice_cli.commands.shared import add_name, note, now, read_named_family
from modelservice_cli.errors import ExitCode
from modelservice_cli.output import Style, format_table, paint, print_objects
from modelservice_cli.view.humanize import format_age, shorten
from modelservice_operator.apimachinery.objects import Object

_COLUMNS = ("last seen", "type", "reason", "object", "message")
_MESSAGE_CHARS = 240


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_name(parser)
    add_cluster(parser)
    add_output(parser, ("table", "json", "yaml"))
    add_watch(parser)
    parser.add_argument("--warnings", action="store_true", help="Events of type Warning only")


def run(options: argparse.Namespace) -> int:
    """Print the Events."""
    with Cluster.connect(options) as cluster:
        family = read_named_family(cluster, options.name)
        found = [event for event in family.events if _is_wanted(event, options)]
        if options.output != "table":
            print_objects(found, options.output, resource="event")
            return ExitCode.OK
        if not found and not options.watch:
            note(f"There are no Events about {options.name}: the API server keeps them for an hour.")
            return ExitCode.OK
        sys.stdout.write(format_table(_COLUMNS, [_row(event) for event in found]))
        if options.watch:
            _watch(cluster, options, family.name, {event["metadata"]["uid"] for event in found})
    return ExitCode.OK


def _is_wanted(event: Object, options: argparse.Namespace) -> bool:
    return not options.warnings or event.get("type") == "Warning"


def _row(event: Object) -> list[str]:
    about = event.get("involvedObject") or {}
    kind = str(event.get("type", ""))
    return [
        format_age(event_time(event), now()),
        paint(kind, Style.WARNING) if kind == "Warning" else kind,
        str(event.get("reason", "")),
        f"{about.get('kind', '')}/{about.get('name', '')}",
        shorten(str(event.get("message", "")), _MESSAGE_CHARS),
    ]


def _watch(cluster: Cluster, options: argparse.Namespace, name: str, known: set[str]) -> None:
    """Print new Events. Pods and ReplicaSets that are created later belong to the Deployment by their names."""
    service = {"kind": "ModelService", "metadata": {"name": name}}
    related = [service, {"kind": "Deployment", "metadata": {"name": name}}]
    related += [
        {"kind": kind, "metadata": {"name": name}} for kind in ("Service", "HorizontalPodAutoscaler", "Ingress")
    ]
    for event, body in follow(cluster, EVENT):
        is_new = event != DELETED and body["metadata"].get("uid") not in known
        if is_new and _is_wanted(body, options) and select_events([body], related):
            print("   ".join(_row(body)), flush=True)
        known.discard(body["metadata"].get("uid", ""))
