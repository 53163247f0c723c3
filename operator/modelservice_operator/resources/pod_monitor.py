"""Builds the PodMonitor (Prometheus operator)."""

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import POD_MONITOR
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import child_metadata, omit_none, selector, type_meta
from modelservice_operator.resources.ports import main_port_name


def build_pod_monitor(service: ModelService) -> DesiredChild | None:
    """Return the monitor; None unless it is enabled."""
    options = service.spec.monitoring.pod_monitor if service.spec.monitoring else None
    if options is None or not options.enabled:
        return None
    port = options.port or main_port_name(service.spec)
    endpoint = {"port": port, "path": options.path, **omit_none(interval=options.interval)}
    spec = {"selector": {"matchLabels": selector(service)}, "podMetricsEndpoints": [endpoint]}
    metadata = child_metadata(service, extra_labels=options.labels)
    return DesiredChild.of(POD_MONITOR, {**type_meta(POD_MONITOR), "metadata": metadata, "spec": spec})
