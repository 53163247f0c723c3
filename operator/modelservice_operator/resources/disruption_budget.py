"""Builds the PodDisruptionBudget."""

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import POD_DISRUPTION_BUDGET
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import child_metadata, int_or_string, omit_none, selector, type_meta
from modelservice_operator.resources.replicas import min_replicas


def build_disruption_budget(service: ModelService) -> DesiredChild | None:
    """Return the budget; None if it is not configured or there may be fewer than two replicas.

    With a single replica a budget would block the drain of its node.
    """
    options = service.spec.disruption_budget
    if options is None or service.spec.suspend or min_replicas(service) <= 1:
        return None
    bounds = omit_none(minAvailable=options.min_available, maxUnavailable=options.max_unavailable)
    spec = {name: int_or_string(bound) for name, bound in bounds.items()}
    body = {
        **type_meta(POD_DISRUPTION_BUDGET),
        "metadata": child_metadata(service),
        "spec": spec | {"selector": {"matchLabels": selector(service)}},
    }
    return DesiredChild.of(POD_DISRUPTION_BUDGET, body)
