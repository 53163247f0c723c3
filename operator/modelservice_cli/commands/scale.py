"""Set the number of replicas of a ModelService.

With an autoscaler, `replicas` is the minimum unless autoscaling.minReplicas is set; the command says so.

Examples:
  modelservice scale iris --replicas=3
"""

import argparse

from modelservice_cli.arguments import add_cluster
from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.lookup import get_model_service
from modelservice_cli.commands.shared import RESOURCE, add_name, note, warn_of_manager
from modelservice_cli.errors import ExitCode
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Object


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_name(parser)
    add_cluster(parser)
    parser.add_argument("--replicas", type=_count, required=True, metavar="N", help="number of replicas")


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of replicas")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Patch the scale subresource."""
    with Cluster.connect(options) as cluster:
        service = get_model_service(cluster, options.name)
        before = (service.get("spec") or {}).get("replicas", 1)
        warn_of_manager(service)
        body = {"spec": {"replicas": options.replicas}}
        cluster.patch(MODEL_SERVICE, options.name, body, subresource="scale")
    print(f"{RESOURCE}/{options.name} scaled from {before} to {options.replicas}")
    _note_autoscaler(service)
    return ExitCode.OK


def _note_autoscaler(service: Object) -> None:
    spec = service.get("spec") or {}
    scaling = spec.get("autoscaling")
    if spec.get("suspend"):
        note("It is suspended: the replicas run after `resume`.")
    elif scaling is not None and scaling.get("managedBy") == "External":
        note("Another controller scales it (autoscaling.managedBy: External): replicas has no effect.")
    elif scaling is not None and scaling.get("minReplicas") is not None:
        note("An autoscaler scales it between minReplicas and maxReplicas: replicas has no effect.")
    elif scaling is not None:
        note("An autoscaler scales it: replicas is the minimum.")
