"""Builds the Ingress."""

from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import INGRESS
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import HTTP_PORT_NAME, child_metadata, type_meta


def build_ingress(service: ModelService) -> DesiredChild | None:
    """Return the Ingress; None if it is not configured."""
    options = service.spec.expose.ingress if service.spec.expose else None
    if options is None:
        return None
    backend = {"service": {"name": service.metadata.name, "port": {"name": HTTP_PORT_NAME}}}
    path = {"path": options.path, "pathType": "Prefix", "backend": backend}
    spec: dict[str, Any] = {
        "ingressClassName": options.class_name,
        "rules": [{"host": options.host, "http": {"paths": [path]}}],
    }
    if options.tls_secret_name is not None:
        spec["tls"] = [{"hosts": [options.host], "secretName": options.tls_secret_name}]
    metadata = child_metadata(service, annotations=options.annotations)
    return DesiredChild.of(INGRESS, {**type_meta(INGRESS), "metadata": metadata, "spec": spec})
