"""Print the URL of a ModelService: that for users, or with --internal that inside of the cluster.

The exit code is 1, with the reason, while an address outside of the cluster is configured and not known.

Examples:
  modelservice url iris
  curl "$(modelservice url iris)/isAlive"
"""

import argparse

from modelservice_cli.arguments import add_cluster
from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.lookup import get_model_service
from modelservice_cli.commands.shared import add_name
from modelservice_cli.errors import CliError, ExitCode
from modelservice_cli.view.conditions import condition


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_name(parser)
    add_cluster(parser)
    parser.add_argument("--internal", action="store_true", help="the URL inside of the cluster")


def run(options: argparse.Namespace) -> int:
    """Print the URL."""
    with Cluster.connect(options) as cluster:
        service = get_model_service(cluster, options.name)
    status = service.get("status") or {}
    url = (status.get("address") or {}).get("url") if options.internal else status.get("url")
    if not url:
        exposed = condition(service, "Exposed")
        reason = exposed.get("message") or "the operator has not reported one yet."
        raise CliError(f"ModelService {options.name} has no URL: {reason}")
    print(url)
    return ExitCode.OK
