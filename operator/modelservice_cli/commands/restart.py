"""Replace the pods of a ModelService, as `kubectl rollout restart` does: without losing a request.

Pods read Secrets and ConfigMaps of `env` when they start; a model is downloaded again if its URI has a new version.

Examples:
  modelservice restart iris
  modelservice restart iris && modelservice wait iris
"""

import argparse

from modelservice_cli.arguments import add_cluster
from modelservice_cli.cluster.connection import STRATEGIC_MERGE_PATCH, Cluster
from modelservice_cli.cluster.failures import ApiError
from modelservice_cli.cluster.lookup import get_model_service
from modelservice_cli.commands.shared import add_name, now
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.kinds import DEPLOYMENT

_ANNOTATION = "kubectl.kubernetes.io/restartedAt"
"""Annotation of `kubectl rollout restart`; the operator keeps it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_name(parser)
    add_cluster(parser)


def run(options: argparse.Namespace) -> int:
    """Annotate the pod template."""
    with Cluster.connect(options) as cluster:
        service = get_model_service(cluster, options.name)
        if (service.get("spec") or {}).get("suspend"):
            raise CliError(f"ModelService {options.name} is suspended and has no pods: `resume` starts them.")
        template = {"metadata": {"annotations": {_ANNOTATION: now().isoformat(timespec="seconds")}}}
        try:
            cluster.patch(
                DEPLOYMENT, options.name, {"spec": {"template": template}}, content_type=STRATEGIC_MERGE_PATCH
            )
        except ApiError as error:
            if not error.is_object_missing:
                raise
            text = f"ModelService {options.name} has no Deployment yet: `why {options.name}` explains it."
            raise CliError(text, ExitCode.NOT_FOUND) from error
    print(f"deployment.apps/{options.name} restarted")
    return ExitCode.OK
