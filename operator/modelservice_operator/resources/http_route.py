"""Builds the HTTPRoute (Gateway API)."""

from typing import Any

from modelservice_operator.api.v1alpha1.exposure import ParentReference
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import HTTP_ROUTE
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import child_metadata, omit_none, type_meta
from modelservice_operator.resources.service import service_port


def build_http_route(service: ModelService) -> DesiredChild | None:
    """Return the route; None if it is not configured."""
    options = service.spec.expose.http_route if service.spec.expose else None
    if options is None:
        return None
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": options.path}}],
        "backendRefs": [{"name": service.metadata.name, "port": service_port(service)}],
    }
    spec = {
        "parentRefs": [_build_parent(parent) for parent in options.parent_refs],
        "rules": [rule],
        **omit_none(hostnames=options.hostnames or None),
    }
    return DesiredChild.of(HTTP_ROUTE, {**type_meta(HTTP_ROUTE), "metadata": child_metadata(service), "spec": spec})


def _build_parent(parent: ParentReference) -> dict[str, Any]:
    return {"name": parent.name, **omit_none(sectionName=parent.section_name)}
