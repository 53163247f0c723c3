"""Show ModelServices, each with the reason of its state.

REASON is the reason of the condition Ready, and of each other condition with a problem: an autoscaler can be unable to
scale while the model answers. `-o wide` adds the model, the progress of its load, the URL and the message.

Examples:
  modelservice list
  modelservice list -A -o wide
  modelservice list -l team=vision --watch
"""

import argparse
import json
import sys

from modelservice_cli.arguments import add_cluster, add_output, add_selection, add_watch
from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.watching import DELETED, follow
from modelservice_cli.commands.shared import RESOURCE, note, now
from modelservice_cli.errors import ExitCode
from modelservice_cli.output import format_table, paint, print_objects, to_yaml
from modelservice_cli.view import listing
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Object

_TABLES = ("table", "wide")
_MIN_WIDTHS = (12, 24, 7, 24, 8, 6)
"""Widths of the columns while rows are added one by one; NAMESPACE first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_cluster(parser)
    add_selection(parser)
    add_output(parser)
    add_watch(parser)


def run(options: argparse.Namespace) -> int:
    """Print the ModelServices."""
    with Cluster.connect(options) as cluster:
        if options.watch:
            return _watch(cluster, options)
        namespace = "" if options.all_namespaces else cluster.namespace
        found = list(cluster.list(MODEL_SERVICE, namespace=namespace, selector=options.selector))
    if options.output not in _TABLES:
        print_objects([_without_managed_fields(one) for one in found], options.output, resource=RESOURCE)
        return ExitCode.OK
    if not found:
        note("No ModelServices" + (" in any namespace." if options.all_namespaces else f" in namespace {namespace}."))
        return ExitCode.OK
    rows = [_painted(_row(one, options), one, options) for one in sorted(found, key=listing.sort_key)]
    sys.stdout.write(format_table(_columns(options), rows))
    return ExitCode.OK


def _without_managed_fields(service: Object) -> Object:
    """Return an object without managedFields, as kubectl prints it."""
    metadata = {name: value for name, value in service["metadata"].items() if name != "managedFields"}
    return {**service, "metadata": metadata}


def _columns(options: argparse.Namespace) -> tuple[str, ...]:
    return listing.columns(wide=options.output == "wide", all_namespaces=options.all_namespaces)


def _row(service: Object, options: argparse.Namespace) -> list[str]:
    return listing.row(service, now(), wide=options.output == "wide", all_namespaces=options.all_namespaces)


def _painted(cells: list[str], service: Object, options: argparse.Namespace) -> list[str]:
    """Return the cells with the reason in the style of the state."""
    index = _columns(options).index("reason")
    return [paint(cell, listing.style_of(service)) if place == index else cell for place, cell in enumerate(cells)]


def _watch(cluster: Cluster, options: argparse.Namespace) -> int:
    """Print each object, then each change, until interrupted."""
    namespace = "" if options.all_namespaces else cluster.namespace
    if options.output in _TABLES:
        _print_row([column.upper() for column in _columns(options)], options)
    for event, body in follow(cluster, MODEL_SERVICE, namespace=namespace, selector=options.selector):
        if options.output == "json":
            print(json.dumps({"type": event, "object": _without_managed_fields(body)}, ensure_ascii=False), flush=True)
        elif options.output == "yaml":
            print(f"---\n{to_yaml(_without_managed_fields(body))}", end="", flush=True)
        elif options.output == "name":
            print(f"{RESOURCE}/{body['metadata']['name']}", flush=True)
        elif event == DELETED:
            metadata = body["metadata"]
            cells = [metadata.get("namespace", "")] if options.all_namespaces else []
            _print_row([*cells, metadata["name"], "-", "Deleted", "-", "-"], options)
        else:
            _print_row(_row(body, options), options, body)
    return ExitCode.OK


def _print_row(cells: list[str], options: argparse.Namespace, service: Object | None = None) -> None:
    """Print a row of columns with fixed widths: those of later rows are not known."""
    widths = _MIN_WIDTHS if options.all_namespaces else _MIN_WIDTHS[1:]
    padded = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=False)]
    row = [*padded, *cells[len(padded) :]]
    print("   ".join(row if service is None else _painted(row, service, options)).rstrip(), flush=True)
