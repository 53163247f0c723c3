"""Compare the requests of the model containers with what they use, and advise in the syntax of the spec.

CPU and memory are the largest use of a pod, in one sample of the metrics API (about 30 seconds): measure under load
before you follow the advice. With an autoscaler, a lower CPU request is not advised: its target is relative to it.

Examples:
  modelservice top
  modelservice top iris
  modelservice top -A -o json
"""

import argparse
import json
import sys
from collections import defaultdict

from modelservice_cli.arguments import add_cluster, add_output, add_selection
from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.failures import ApiError
from modelservice_cli.cluster.family import POD_METRICS, label
from modelservice_cli.cluster.lookup import get_model_service
from modelservice_cli.commands.shared import note
from modelservice_cli.errors import CliError, ExitCode
from modelservice_cli.output import format_table, to_yaml
from modelservice_cli.view import usage
from modelservice_cli.view.listing import sort_key
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE, POD
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apimachinery.well_known import INSTANCE_LABEL

_SELECTOR = "app.kubernetes.io/name=modelservice"
Key = tuple[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="ModelService (default: all of the namespace)")
    add_cluster(parser)
    add_selection(parser)
    add_output(parser, ("table", "json", "yaml"))


def run(options: argparse.Namespace) -> int:
    """Print the use."""
    with Cluster.connect(options) as cluster:
        namespace = "" if options.all_namespaces and not options.name else cluster.namespace
        if options.name:
            services = [get_model_service(cluster, options.name)]
            selector = f"{_SELECTOR},{INSTANCE_LABEL}={options.name}"
        else:
            services = list(cluster.list(MODEL_SERVICE, namespace=namespace, selector=options.selector))
            selector = _SELECTOR
        pods = _by_instance(list(cluster.list(POD, namespace=namespace, selector=selector)))
        metrics = _read_metrics(cluster, namespace, selector)
    rows = [(one, _measure(one, pods, metrics)) for one in sorted(services, key=sort_key)]
    _print(rows, options)
    return ExitCode.OK


def _read_metrics(cluster: Cluster, namespace: str, selector: str) -> dict[Key, Object]:
    """Return the metrics of pods by namespace and name of the pod."""
    try:
        found = list(cluster.list(POD_METRICS, namespace=namespace, selector=selector))
    except ApiError as error:
        if error.is_kind_missing or error.http_code in {500, 503}:
            text = "The cluster has no working metrics API: install metrics-server, or check its pods."
            raise CliError(text, ExitCode.UNREACHABLE) from error
        raise
    return {(str(one["metadata"].get("namespace", "")), str(one["metadata"]["name"])): one for one in found}


def _by_instance(pods: list[Object]) -> dict[Key, list[Object]]:
    found: defaultdict[Key, list[Object]] = defaultdict(list)
    for pod in sorted(pods, key=lambda one: str(one["metadata"].get("creationTimestamp", ""))):
        found[str(pod["metadata"]["namespace"]), label(pod, INSTANCE_LABEL)].append(pod)
    return found


def _measure(service: Object, pods: dict[Key, list[Object]], metrics: dict[Key, Object]) -> usage.Use:
    own = pods.get(sort_key(service), [])
    keys = [(str(pod["metadata"]["namespace"]), str(pod["metadata"]["name"])) for pod in own]
    return usage.measure([metrics[key] for key in keys if key in metrics], own)


def _print(rows: list[tuple[Object, usage.Use]], options: argparse.Namespace) -> None:
    if options.output != "table":
        documents = [
            usage.to_json(one["metadata"]["name"], one["metadata"]["namespace"], use, one.get("spec") or {})
            for one, use in rows
        ]
        if options.output == "json":
            print(json.dumps(documents, indent=2))
        else:
            sys.stdout.write(to_yaml(documents))
        return
    if not rows:
        note("No ModelServices.")
        return
    is_wide = options.all_namespaces and not options.name
    columns = (("namespace",) if is_wide else ()) + usage.COLUMNS
    cells = [
        ([one["metadata"]["namespace"]] if is_wide else [])
        + usage.row(one["metadata"]["name"], use, one.get("spec") or {})
        for one, use in rows
    ]
    sys.stdout.write(format_table(columns, cells))
    if any(usage.advise(use, one.get("spec") or {}) for one, use in rows):
        note("The advice rests on one sample: measure under load.")
