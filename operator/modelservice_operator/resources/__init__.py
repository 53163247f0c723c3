"""Builds the children of a ModelService: pure functions from its spec to the desired objects, one kind a file.

Builders never read live objects, a clock or the environment. Fields that another controller owns, such as the replicas
of an autoscaled Deployment, are omitted. A builder returns None if the spec does not ask for the object.
"""

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.resources.autoscaler import build_autoscaler
from modelservice_operator.resources.cron_job import build_cron_job
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.disruption_budget import build_disruption_budget
from modelservice_operator.resources.http_route import build_http_route
from modelservice_operator.resources.ingress import build_ingress
from modelservice_operator.resources.network_policy import build_network_policy
from modelservice_operator.resources.pod_monitor import build_pod_monitor
from modelservice_operator.resources.retained import Retained, build_deployment_with_retained
from modelservice_operator.resources.service import build_service
from modelservice_operator.settings import DEFAULT_LOADER, LoaderSettings

__all__ = ["DesiredChild", "build_children"]

BUILDERS = (
    build_service,
    build_autoscaler,
    build_disruption_budget,
    build_network_policy,
    build_ingress,
    build_http_route,
    build_pod_monitor,
)


def build_children(
    service: ModelService,
    *,
    loader: LoaderSettings = DEFAULT_LOADER,
    resolution: str | None = None,
    retained: Retained | None = None,
) -> tuple[DesiredChild, ...]:
    """Return all children of `service`, the Deployment first.

    `resolution` is what the URI of an auto-updated model resolved to, `retained` the record of the live Deployment.
    """
    deployment = build_deployment_with_retained(service, loader, resolution, retained)
    others = (builder(service) for builder in BUILDERS)
    return deployment, *(child for child in (*others, build_cron_job(service, loader)) if child is not None)
