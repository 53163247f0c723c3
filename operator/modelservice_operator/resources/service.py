"""ModelService -> Service, and the URLs that lead to it."""

from typing import Any

from modelservice_operator.api.v1alpha1.exposure import ServiceOptions
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import SERVICE
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import (
    CLUSTER_IP_NONE,
    HTTP_PORT_NAME,
    child_metadata,
    selector,
    type_meta,
)

HTTP_PORT = 80


def service_options(service: ModelService) -> ServiceOptions:
    """`spec.service` with its defaults."""
    return service.spec.service or ServiceOptions()


def is_headless(service: ModelService) -> bool:
    """Whether the Service has no address of its own."""
    return service_options(service).type == "Headless"


def service_port(service: ModelService) -> int:
    """Port under which the model is reached: nothing translates the port of a headless Service."""
    return service.spec.container_port if is_headless(service) else service_options(service).port


def build_service(service: ModelService) -> DesiredChild:
    """The Service in front of the replicas: its own port outside, the container's port by name inside."""
    options = service_options(service)
    port = {"name": HTTP_PORT_NAME, "port": service_port(service), "targetPort": HTTP_PORT_NAME, "protocol": "TCP"}
    if options.app_protocol is not None:
        port["appProtocol"] = options.app_protocol
    optional = {
        "loadBalancerClass": options.load_balancer_class,
        "externalTrafficPolicy": options.external_traffic_policy,
        "sessionAffinity": options.session_affinity,
        "clusterIP": CLUSTER_IP_NONE if is_headless(service) else None,
    }
    spec: dict[str, Any] = {
        "type": "ClusterIP" if is_headless(service) else options.type,
        "selector": selector(service),
        "ports": [port],
        **{name: value for name, value in optional.items() if value is not None},
    }
    metadata = child_metadata(service, annotations=options.annotations)
    return DesiredChild.of(SERVICE, {**type_meta(SERVICE), "metadata": metadata, "spec": spec})


def http_url(service: ModelService, host: str) -> str:
    """URL of the Service under `host`, with the port where it is not HTTP's own (RFC 9110, section 4.2.1)."""
    port = service_port(service)
    return f"http://{host}" if port == HTTP_PORT else f"http://{host}:{port}"


def cluster_url(service: ModelService) -> str:
    """URL of the Service by cluster DNS. The zone is left to the pod's search path, since it may be any."""
    return http_url(service, f"{service.metadata.name}.{service.metadata.namespace}.svc")


def exposed_url(service: ModelService) -> str | None:
    """URL by the host name of the Ingress or the HTTPRoute; None where neither names one."""
    expose = service.spec.expose
    if expose is None:
        return None
    if expose.ingress is not None:
        scheme = "https" if expose.ingress.tls_secret_name else "http"
        return f"{scheme}://{expose.ingress.host}{expose.ingress.path}".removesuffix("/")
    route = expose.http_route
    # Whether the Gateway speaks TLS is not said in the route.
    return f"http://{route.hostnames[0]}{route.path}".removesuffix("/") if route and route.hostnames else None
