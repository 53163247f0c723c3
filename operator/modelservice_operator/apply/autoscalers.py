"""Finds autoscalers of other owners: they set the replicas of the Deployment, so the operator must not."""

from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.apimachinery.kinds import HORIZONTAL_POD_AUTOSCALER
from modelservice_operator.apply.ownership import Ownership, ownership_of, targets_deployment
from modelservice_operator.cache.informers import InformerSet


def find_foreign_autoscalers(informers: InformerSet, service: ModelService) -> tuple[str, ...]:
    """Return the names of the autoscalers of other owners that target the Deployment. Sends no request."""
    return tuple(
        autoscaler["metadata"]["name"]
        for autoscaler in informers.by_index(HORIZONTAL_POD_AUTOSCALER, service.metadata.key)
        if ownership_of(autoscaler, service) in {Ownership.NOT_OWNED, Ownership.OFFERED}
        and targets_deployment(autoscaler, service.metadata.name)
    )
