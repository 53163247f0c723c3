"""The command `check`: reports whether the install is complete and consistent. It only reads."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import NoReturn

from modelservice_operator import __version__
from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.check.facts import Facts
from modelservice_operator.check.gather import Scope, gather_facts
from modelservice_operator.check.judge import judge
from modelservice_operator.check.operators import ArgumentsError, OperatorArguments
from modelservice_operator.check.report import ExitCode, exit_code_of, render_json, render_text
from modelservice_operator.cli.main import build_parser, parse_options
from modelservice_operator.client.client_config import LoadCredentials, find_credentials, load_now
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import CredentialsError, OperatorError
from modelservice_operator.manager.leader_election import default_lease_name
from modelservice_operator.settings import Settings

_MAX_CONCURRENT_REQUESTS = 8


class _ArgumentParser(argparse.ArgumentParser):
    """Raises ArgumentsError with the sentence that it would print, and never ends the process."""

    def error(self, message: str) -> NoReturn:
        raise ArgumentsError(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise ArgumentsError(message or f"they end the process with exit code {status}")


def check(options: argparse.Namespace) -> int:
    """Check an install and print the findings; return the exit code."""
    try:
        load_credentials = load_now(find_credentials(options.kubeconfig, context=options.context))
    except (CredentialsError, OSError) as error:
        return _report_failure(error)
    return run_check(load_credentials, namespace=options.namespace or "", output=options.output)


def run_check(load_credentials: LoadCredentials, *, namespace: str, output: str) -> int:
    """Check the operators in `namespace`, or in all namespaces, and print the findings as text or json."""
    scope = Scope(parse=parse_arguments, namespace=namespace)
    try:
        with _without_logs():
            facts = asyncio.run(_gather(load_credentials, scope))
    except (CredentialsError, OperatorError, OSError) as error:
        return _report_failure(error)
    findings = judge(facts)
    is_json = output == "json"
    print(render_json(findings, version=__version__) if is_json else render_text(findings), end="")
    return exit_code_of(findings)


def _report_failure(error: Exception) -> int:
    print(f"Cannot check: {error}", file=sys.stderr)
    return ExitCode.CANNOT_CHECK


@contextmanager
def _without_logs() -> Iterator[None]:
    """Log nothing: what the client reports is in the findings."""
    previous = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(previous)


async def _gather(load_credentials: LoadCredentials, scope: Scope) -> Facts:
    async with RestClient(load_credentials, Settings(workers=_MAX_CONCURRENT_REQUESTS)) as client:
        return await gather_facts(client, scope)


def parse_arguments(arguments: Sequence[str]) -> OperatorArguments:
    """Return what an operator with this command line serves. Raises ArgumentsError if it would not start."""
    with redirect_stdout(StringIO()):  # --help
        options = parse_options(build_parser(_ArgumentParser), arguments)
    if options.command != "run":
        raise ArgumentsError(f"the command is {options.command} and not run")
    namespaces = tuple(dict.fromkeys(options.namespace))
    name = options.lease_name or default_lease_name(namespaces)
    lease = NamespacedName(options.lease_namespace, name) if options.lease_namespace else None
    return OperatorArguments(
        namespaces=namespaces,
        lease=lease,
        loader_image=options.loader_image,
        has_secure_metrics=bool(options.secure_metrics_port),
    )
