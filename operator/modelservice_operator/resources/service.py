"""Builds the Service, and the URLs of the model."""

from typing import Any

from modelservice_operator.api.v1alpha1.exposure import ServiceOptions
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import SERVICE
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import (
    CLUSTER_IP_NONE,
    HTTP_PORT_NAME,
    child_metadata,
    omit_none,
    selector,
    type_meta,
)

HTTP_PORT = 80


def service_options(service: ModelService) -> ServiceOptions:
    """Return `spec.service` with defaults."""
    return service.spec.service or ServiceOptions()


def is_headless(service: ModelService) -> bool:
    """Return True if the Service has no cluster IP."""
    return service_options(service).type == "Headless"


def service_port(service: ModelService) -> int:
    """Return the port of the Service. A headless Service does not translate ports, so it is the container's."""
    return service.spec.container_port if is_headless(service) else service_options(service).port


def build_service(service: ModelService) -> DesiredChild:
    """Return the Service of the replicas; it targets the container's port by name."""
    options = service_options(service)
    port = {"name": HTTP_PORT_NAME, "port": service_port(service), "targetPort": HTTP_PORT_NAME, "protocol": "TCP"}
    if options.app_protocol is not None:
        port["appProtocol"] = options.app_protocol
    spec: dict[str, Any] = {
        "type": "ClusterIP" if is_headless(service) else options.type,
        "selector": selector(service),
        "ports": [port],
        **omit_none(
            loadBalancerClass=options.load_balancer_class,
            externalTrafficPolicy=options.external_traffic_policy,
            sessionAffinity=options.session_affinity,
            clusterIP=CLUSTER_IP_NONE if is_headless(service) else None,
        ),
    }
    metadata = child_metadata(service, annotations=options.annotations)
    return DesiredChild.of(SERVICE, {**type_meta(SERVICE), "metadata": metadata, "spec": spec})


def http_url(service: ModelService, host: str) -> str:
    """Return the URL of the Service on `host`; the default port of HTTP is omitted (RFC 9110, section 4.2.1)."""
    port = service_port(service)
    return f"http://{host}" if port == HTTP_PORT else f"http://{host}:{port}"


def cluster_url(service: ModelService) -> str:
    """Return the URL of the Service with its cluster DNS name, without the zone, which differs between clusters."""
    return http_url(service, f"{service.metadata.name}.{service.metadata.namespace}.svc")


def exposed_url(service: ModelService) -> str | None:
    """Return the URL with the host name of the Ingress or the HTTPRoute; None if neither has one."""
    expose = service.spec.expose
    if expose is None:
        return None
    if expose.ingress is not None:
        scheme = "https" if expose.ingress.tls_secret_name else "http"
        return f"{scheme}://{expose.ingress.host}{expose.ingress.path}".removesuffix("/")
    route = expose.http_route
    # The route does not state if the Gateway terminates TLS.
    return f"http://{route.hostnames[0]}{route.path}".removesuffix("/") if route and route.hostnames else None
