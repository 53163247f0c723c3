"""Builds the PodMonitor (Prometheus operator)."""

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import POD_MONITOR
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import HTTP_PORT_NAME, child_metadata, selector, type_meta


def build_pod_monitor(service: ModelService) -> DesiredChild | None:
    """Return the monitor; None unless it is enabled."""
    options = service.spec.monitoring.pod_monitor if service.spec.monitoring else None
    if options is None or not options.enabled:
        return None
    spec = {
        "selector": {"matchLabels": selector(service)},
        "podMetricsEndpoints": [{"port": HTTP_PORT_NAME, "path": options.path}],
    }
    return DesiredChild.of(POD_MONITOR, {**type_meta(POD_MONITOR), "metadata": child_metadata(service), "spec": spec})
