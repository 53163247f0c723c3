"""ModelService -> Service."""

from modelservice_operator.api.kinds import SERVICE
from modelservice_operator.api.v1alpha1 import ModelService, ServiceOptions
from modelservice_operator.resources.desired import Desired
from modelservice_operator.resources.metadata import PORT_NAME, child_metadata, selector, type_meta

HTTP_PORT = 80


def service_options(service: ModelService) -> ServiceOptions:
    """`spec.service` with its defaults."""
    return service.spec.service or ServiceOptions()


def build_service(service: ModelService) -> Desired:
    """The Service in front of the replicas: its own port outside, the container's port by name inside."""
    options = service_options(service)
    return Desired.of(
        SERVICE,
        {
            **type_meta(SERVICE),
            "metadata": child_metadata(service, annotations=options.annotations),
            "spec": {
                "type": options.type,
                "selector": selector(service),
                "ports": [{"name": PORT_NAME, "port": options.port, "targetPort": PORT_NAME, "protocol": "TCP"}],
            },
        },
    )


def http_url(service: ModelService, host: str) -> str:
    """URL of the Service under `host`, with the port where it is not HTTP's own (RFC 9110, section 4.2.1)."""
    port = service_options(service).port
    return f"http://{host}" if port == HTTP_PORT else f"http://{host}:{port}"


def cluster_url(service: ModelService) -> str:
    """URL of the Service by cluster DNS. The zone is left to the pod's search path, since it may be any."""
    return http_url(service, f"{service.metadata.name}.{service.metadata.namespace}.svc")
