"""Wait until a ModelService is ready, its model is loaded, another condition is True, or it is deleted.

It ends early, with the cause, if the ModelService is stalled: no retry can succeed, or the rollout exceeded its
deadline. The exit code is 1 then and after the timeout.

Examples:
  modelservice wait iris
  modelservice wait iris --for=Exposed --timeout=10m
  modelservice wait iris --for=delete
"""

import argparse
import time
from collections.abc import Callable

from modelservice_cli.arguments import add_cluster
from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.lookup import get_model_service
from modelservice_cli.commands.shared import RESOURCE, add_name, parse_seconds, program_name
from modelservice_cli.errors import CliError, ExitCode
from modelservice_cli.view.conditions import condition, is_met, is_observed, problems
from modelservice_cli.view.humanize import format_duration
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Object

_DELETED = "delete"
_PAUSE_SECONDS = 0.5
_WORDS = {"ready": "Ready", "loaded": "ModelLoaded", "available": "Available", "exposed": "Exposed"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_name(parser)
    add_cluster(parser)
    parser.add_argument(
        "--for",
        dest="condition",
        default="Ready",
        metavar="CONDITION",
        help="type of a condition that must be True, such as loaded or AutoscalerReady; or delete (default: Ready)",
    )
    parser.add_argument(
        "--timeout", type=parse_seconds, default=300.0, metavar="TIME", help="such as 90s, 5m or 1h (default: 5m)"
    )
    parser.add_argument("--stalled", action="store_true", help="keep waiting while it is stalled")


def run(options: argparse.Namespace) -> int:
    """Wait, and print what was reached."""
    wanted = _WORDS.get(options.condition.lower(), options.condition)
    deadline = time.monotonic() + options.timeout
    with Cluster.connect(options) as cluster:
        if wanted == _DELETED:
            _wait_for_deletion(cluster, options, deadline)
            print(f"{RESOURCE}/{options.name} deleted")
            return ExitCode.OK
        service = get_model_service(cluster, options.name)
        while not is_met(service, wanted):
            _check_stalled(service, options)
            if time.monotonic() >= deadline:
                raise CliError(_timeout_sentence(service, wanted, options))
            time.sleep(_PAUSE_SECONDS)
            service = _read_again(cluster, options.name)
    print(f"{RESOURCE}/{options.name} condition met: {wanted}")
    return ExitCode.OK


def _read_again(cluster: Cluster, name: str) -> Object:
    service = cluster.find(MODEL_SERVICE, name)
    if service is None:
        raise CliError(f"ModelService {name} was deleted while waiting for it.", ExitCode.NOT_FOUND)
    return service


def _wait_for_deletion(cluster: Cluster, options: argparse.Namespace, deadline: float) -> None:
    _poll(lambda: cluster.find(MODEL_SERVICE, options.name) is None, deadline, options)


def _poll(is_done: Callable[[], bool], deadline: float, options: argparse.Namespace) -> None:
    while not is_done():
        if time.monotonic() >= deadline:
            raise CliError(f"ModelService {options.name} still exists after {format_duration(options.timeout)}.")
        time.sleep(_PAUSE_SECONDS)


def _check_stalled(service: Object, options: argparse.Namespace) -> None:
    stalled = condition(service, "Stalled")
    if options.stalled or not is_observed(service) or stalled.get("status") != "True":
        return
    cause = problems(service)[0]
    raise CliError(f"ModelService {options.name} is stalled: {cause.reason}: {cause.message}")


def _timeout_sentence(service: Object, wanted: str, options: argparse.Namespace) -> str:
    found = condition(service, wanted)
    after = f"{wanted} is not True after {format_duration(options.timeout)}"
    if not found:
        return f"ModelService {options.name}: {after}: the status has no such condition."
    advice = f"`{program_name()} why {options.name}` explains it."
    return f"ModelService {options.name}: {after}: {found.get('reason')}: {found.get('message')} {advice}"
