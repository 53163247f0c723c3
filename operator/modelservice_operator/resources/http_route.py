"""ModelService -> HTTPRoute (Gateway API)."""

from typing import Any

from modelservice_operator.api.v1alpha1.exposure import ParentReference
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import HTTP_ROUTE
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import child_metadata, type_meta
from modelservice_operator.resources.service import service_port


def build_http_route(service: ModelService) -> DesiredChild | None:
    """The route, or None unless it is asked for."""
    options = service.spec.expose.http_route if service.spec.expose else None
    if options is None:
        return None
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": options.path}}],
        "backendRefs": [{"name": service.metadata.name, "port": service_port(service)}],
    }
    spec: dict[str, Any] = {"parentRefs": [_parent(parent) for parent in options.parent_refs], "rules": [rule]}
    if options.hostnames:
        spec["hostnames"] = list(options.hostnames)
    return DesiredChild.of(HTTP_ROUTE, {**type_meta(HTTP_ROUTE), "metadata": child_metadata(service), "spec": spec})


def _parent(parent: ParentReference) -> dict[str, Any]:
    return {"name": parent.name} | ({"sectionName": parent.section_name} if parent.section_name else {})
