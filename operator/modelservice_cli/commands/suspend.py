"""Scale a ModelService to 0 and keep all its other objects.

Examples:
  modelservice suspend iris
"""

import argparse

from modelservice_cli.arguments import add_cluster
from modelservice_cli.commands.shared import add_name, set_suspend


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_name(parser)
    add_cluster(parser)


def run(options: argparse.Namespace) -> int:
    """Set `spec.suspend`."""
    return set_suspend(options, suspend=True)
