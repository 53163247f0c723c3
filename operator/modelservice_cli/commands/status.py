"""Show a ModelService as a tree: its children, its revisions and their pods, with the cause of a problem.

The exit code is 0 if the ModelService is ready, otherwise 1.

Examples:
  modelservice status iris
  modelservice status iris --watch
  modelservice status iris -o json
"""

import argparse
import json
import sys
import time

from modelservice_cli.arguments import add_cluster, add_output, add_watch
from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.commands.shared import add_name, clear_terminal, now, read_named_family
from modelservice_cli.errors import ExitCode
from modelservice_cli.output import to_yaml
from modelservice_cli.view.conditions import is_ready
from modelservice_cli.view.tree import Node, build_tree, render_tree

_INTERVAL_SECONDS = 2.0
FORMATS = ("table", "wide", "json", "yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_name(parser)
    add_cluster(parser)
    add_output(parser, FORMATS)
    add_watch(parser)


def run(options: argparse.Namespace) -> int:
    """Print the tree; `wide` has revisions without pods too."""
    with Cluster.connect(options) as cluster:
        if options.watch:
            _watch(cluster, options)
        family = read_named_family(cluster, options.name, with_events=False)
    _print(build_tree(family, now(), all_revisions=options.output == "wide"), options.output)
    return ExitCode.OK if is_ready(family.service) else ExitCode.NEGATIVE


def _watch(cluster: Cluster, options: argparse.Namespace) -> None:
    """Print the tree whenever it differs by more than ages, until interrupted."""
    started, shown = now(), None
    while True:
        family = read_named_family(cluster, options.name, with_events=False)
        is_wide = options.output == "wide"
        state = build_tree(family, started, all_revisions=is_wide).to_json()
        if state != shown:
            if not clear_terminal() and shown is not None:
                print("---")
            _print(build_tree(family, now(), all_revisions=is_wide), options.output)
            sys.stdout.flush()
            shown = state
        time.sleep(_INTERVAL_SECONDS)


def _print(tree: Node, output: str) -> None:
    if output == "json":
        print(json.dumps(tree.to_json(), indent=2, ensure_ascii=False))
    elif output == "yaml":
        sys.stdout.write(to_yaml(tree.to_json()))
    else:
        sys.stdout.write(render_tree(tree))
