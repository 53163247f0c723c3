"""Builds the HTTPRoute (Gateway API)."""

from modelservice_operator.api.v1alpha1.exposure import HttpRouteOptions
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import HTTP_ROUTE
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import child_metadata, dump_all, omit_none, service_name, type_meta
from modelservice_operator.resources.ports import service_port


def build_http_route(service: ModelService) -> DesiredChild | None:
    """Return the route; None if it is not configured."""
    options = http_route_options(service)
    if options is None:
        return None
    timeout = options.timeouts.request if options.timeouts else None
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": options.path}}],
        "backendRefs": [{"name": service_name(service), "port": service_port(service, options.port)}],
        **omit_none(timeouts={"request": timeout} if timeout else None),
    }
    spec = {
        "parentRefs": dump_all(options.parent_refs),
        "rules": [rule],
        **omit_none(hostnames=options.hostnames or None),
    }
    metadata = child_metadata(service, annotations=options.annotations)
    return DesiredChild.of(HTTP_ROUTE, {**type_meta(HTTP_ROUTE), "metadata": metadata, "spec": spec})


def http_route_options(service: ModelService) -> HttpRouteOptions | None:
    """Return `spec.expose.httpRoute`."""
    return service.spec.expose.http_route if service.spec.expose else None
