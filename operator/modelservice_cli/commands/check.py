"""Check whether the install of the operator is complete and consistent: CRD, operator, permissions, policies.

It only reads. docs/check.md explains each finding. The exit code is 1 for a finding of level error, and 3 if nothing
could be checked.

Examples:
  modelservice check
  modelservice check -n modelservice-system -o json
"""

import argparse

from modelservice_cli.arguments import add_cluster
from modelservice_cli.cluster.check import check_install
from modelservice_cli.cluster.connection import choice_of
from modelservice_cli.cluster.kubeconfig import load_endpoint
from modelservice_cli.errors import ExitCode

_CANNOT_CHECK = 2
"""Exit code of the operator's check."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options; -n restricts the check to the operators in a namespace."""
    add_cluster(parser)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="format (default: text)")


def run(options: argparse.Namespace) -> int:
    """Check the install and print the findings."""
    endpoint = load_endpoint(choice_of(options))
    code = check_install(endpoint, namespace=options.namespace or "", output=options.output)
    return ExitCode.UNREACHABLE if code == _CANNOT_CHECK else code
