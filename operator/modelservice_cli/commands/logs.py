"""Print the logs of a ModelService: of the model container in the pods of the newest revision.

`--loader` shows the containers that download the model. `--previous` shows the run before the last restart; if the
kubelet has no log of it any longer, what the container said at its end.

Examples:
  modelservice logs iris
  modelservice logs iris --previous
  modelservice logs iris --loader
  modelservice logs iris --follow --tail 20
"""

import argparse
import sys
import threading
from collections.abc import Iterator

from modelservice_cli.arguments import add_cluster
from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.failures import ApiError
from modelservice_cli.cluster.family import Family, label
from modelservice_cli.commands.shared import add_name, note, parse_seconds, program_name, read_named_family
from modelservice_cli.errors import CliError, ExitCode
from modelservice_cli.output import Style, paint
from modelservice_cli.view import pods
from modelservice_cli.view.conditions import condition
from modelservice_operator.apimachinery.kinds import POD
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apimachinery.well_known import TEMPLATE_HASH

_HTTP_BAD_REQUEST = 400
_PRINTING = threading.Lock()
Source = tuple[Object, str]
"""A pod and the name of one of its containers."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_name(parser)
    add_cluster(parser)
    group = parser.add_argument_group("which log")
    group.add_argument("--loader", action="store_true", help="of the containers that download the model")
    group.add_argument("-c", "--container", metavar="NAME", help="of this container (default: model)")
    group.add_argument("--pod", metavar="POD", help="of this pod (default: all of the newest revision)")
    group.add_argument("--previous", action="store_true", help="of the run before the last restart")
    group.add_argument(
        "--tail", type=int, metavar="N", help="the last N lines of each container (default: all of them)"
    )
    group.add_argument("--since", type=parse_seconds, metavar="TIME", help="not older than 90s, 5m or 1h")
    group.add_argument("--timestamps", action="store_true", help="with the time of each line")
    group.add_argument("-f", "--follow", action="store_true", help="continue until interrupted, or the containers end")


def run(options: argparse.Namespace) -> int:
    """Print the logs."""
    with Cluster.connect(options) as cluster:
        family = read_named_family(cluster, options.name, with_events=False)
        sources = list(choose_sources(family, options))
        if not sources:
            reason = condition(family.service, "Ready").get("reason") or "no status yet"
            raise CliError(
                f"ModelService {family.name} has no {'loader' if options.loader else 'pod'} with a log ({reason}):"
                f" `{program_name()} why {family.name}` explains it."
            )
        query = _query(options)
        if options.follow and len(sources) > 1:
            _follow_all(cluster, sources, query)
        else:
            for source in sources:
                _print_one(cluster, source, query, prefix=len(sources) > 1)
    return ExitCode.OK


def choose_sources(family: Family, options: argparse.Namespace) -> Iterator[Source]:
    """Yield pods of the newest revision, or the one that is named, with the containers to show."""
    current = family.current_hash
    found = [pod for pod in family.pods if not current or label(pod, TEMPLATE_HASH) == current]
    if options.pod:
        found = [pod for pod in family.pods if pod["metadata"]["name"] == options.pod]
        if not found:
            known = ", ".join(pod["metadata"]["name"] for pod in family.pods) or "none"
            raise CliError(f"ModelService {family.name} has no pod {options.pod}; it has: {known}.", ExitCode.NOT_FOUND)
    for pod in found:
        names = pods.container_names(pod)
        if options.loader:
            yield from ((pod, name) for name in names if pods.is_loader(name))
            continue
        wanted = options.container or pods.MODEL_CONTAINER
        if wanted not in names:
            text = f"Pod {pod['metadata']['name']} has no container {wanted}; it has: {', '.join(names)}."
            raise CliError(text, ExitCode.NOT_FOUND)
        yield pod, wanted


def _query(options: argparse.Namespace) -> dict[str, str]:
    query: dict[str, str] = {}
    if options.previous:
        query["previous"] = "true"
    if options.tail is not None:
        query["tailLines"] = str(options.tail)
    if options.since is not None:
        query["sinceSeconds"] = str(max(1, int(options.since)))
    if options.timestamps:
        query["timestamps"] = "true"
    if options.follow:
        query["follow"] = "true"
    return query


def _print_one(cluster: Cluster, source: Source, query: dict[str, str], *, prefix: bool) -> None:
    pod, container = source
    name = pod["metadata"]["name"]
    head = paint(f"[{name} {container}] ", Style.FAINT) if prefix else ""
    path = POD.path(namespace=pod["metadata"]["namespace"], name=name, subresource="log")
    try:
        for line in cluster.stream(path, query={**query, "container": container}):
            with _PRINTING:
                sys.stdout.write(head + line.decode(errors="replace"))
                if "follow" in query:
                    sys.stdout.flush()
    except ApiError as error:
        if error.http_code != _HTTP_BAD_REQUEST:
            raise
        _print_substitute(pod, container, error, is_previous="previous" in query)


def _print_substitute(pod: Object, container: str, error: ApiError, *, is_previous: bool) -> None:
    """Print what is known of a container without a log: its termination message, or why it has not started."""
    last = pods.last_termination(pod)
    name = pod["metadata"]["name"]
    if last is not None and last.container == container and last.message:
        note(f"There is no log of {container} in {name}; at its end ({last.reason}, {last.exit_code}) it said:")
        print(last.message.rstrip())
        return
    reason = pods.problem_text(pod) or str(error.status.get("message") or error)
    what = "previous run" if is_previous else "log yet"
    note(f"Container {container} in {name} has no {what}: {reason}")


def _follow_all(cluster: Cluster, sources: list[Source], query: dict[str, str]) -> None:
    """Follow several containers concurrently, until all have ended."""
    failures: list[CliError] = []

    def follow(source: Source) -> None:
        try:
            _print_one(cluster, source, query, prefix=True)
        except CliError as error:
            failures.append(error)

    threads = [threading.Thread(target=follow, args=(source,), daemon=True) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(failures) == len(sources):
        raise failures[0]
