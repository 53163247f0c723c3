"""ModelService -> PodDisruptionBudget."""

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import DISRUPTION_BUDGET
from modelservice_operator.resources.desired import Desired
from modelservice_operator.resources.metadata import child_metadata, number_or_share, selector, type_meta
from modelservice_operator.resources.replicas import floor


def build_disruption_budget(service: ModelService) -> Desired | None:
    """The budget, or None unless it is asked for and more than one replica is certain.

    With a single replica a budget would keep its node from ever being drained.
    """
    options = service.spec.disruption_budget
    if options is None or service.spec.suspend or floor(service) <= 1:
        return None
    bounds = {"minAvailable": options.min_available, "maxUnavailable": options.max_unavailable}
    spec = {name: number_or_share(bound) for name, bound in bounds.items() if bound is not None}
    body = {
        **type_meta(DISRUPTION_BUDGET),
        "metadata": child_metadata(service),
        "spec": spec | {"selector": {"matchLabels": selector(service)}},
    }
    return Desired.of(DISRUPTION_BUDGET, body)
