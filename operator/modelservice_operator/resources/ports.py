"""Builds the ports of the model container, the Service and the NetworkPolicy: the main port, then those of `ports`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modelservice_operator.api.v1alpha1.exposure import ServiceOptions
from modelservice_operator.api.v1alpha1.ports import DEFAULT_PORT_NAME
from modelservice_operator.api.v1alpha1.spec import ModelService, ModelServiceSpec
from modelservice_operator.resources.metadata import omit_none


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPort:
    """A port of the model server: `number` in the container, `service_number` in the Service."""

    name: str
    number: int
    service_number: int
    protocol: str = "TCP"
    app_protocol: str | None = None
    node_port: int | None = None


def main_port_name(spec: ModelServiceSpec) -> str:
    """Return the name of `containerPort`, in the container and in the Service."""
    return spec.port_name or DEFAULT_PORT_NAME


def service_options(service: ModelService) -> ServiceOptions:
    """Return `spec.service` with defaults."""
    return service.spec.service or ServiceOptions.default()


def is_headless(service: ModelService) -> bool:
    """Return True if the Service has no cluster IP. It then translates no ports: they are those of the container."""
    return service_options(service).type == "Headless"


def server_ports(service: ModelService) -> Iterator[ServerPort]:
    """Yield all ports, the main one first."""
    spec, options, headless = service.spec, service_options(service), is_headless(service)
    yield ServerPort(
        name=main_port_name(spec),
        number=spec.container_port,
        service_number=spec.container_port if headless else options.port,
        app_protocol=options.app_protocol,
        node_port=options.node_port,
    )
    for port in spec.ports or ():
        yield ServerPort(
            name=port.name,
            number=port.container_port,
            service_number=(None if headless else port.service_port) or port.container_port,
            protocol=port.protocol or "TCP",
            app_protocol=port.app_protocol,
            node_port=port.node_port,
        )


def service_port(service: ModelService, name: str | None = None) -> int:
    """Return the port of the Service of this name; the main one by default."""
    ports = {port.name: port.service_number for port in server_ports(service)}
    return ports.get(name or "", next(iter(ports.values())))


def build_container_ports(service: ModelService) -> list[dict[str, Any]]:
    """Return `ports` of the model container (core/v1, ContainerPort)."""
    return [
        {"name": port.name, "containerPort": port.number, "protocol": port.protocol} for port in server_ports(service)
    ]


def build_service_ports(service: ModelService) -> list[dict[str, Any]]:
    """Return `ports` of the Service. They target the container by name, so that the numbers of pods may differ."""
    return [
        {
            "name": port.name,
            "port": port.service_number,
            "targetPort": port.name,
            "protocol": port.protocol,
            **omit_none(appProtocol=port.app_protocol, nodePort=port.node_port),
        }
        for port in server_ports(service)
    ]


def build_policy_ports(service: ModelService) -> list[dict[str, Any]]:
    """Return `ports` of a rule of the NetworkPolicy."""
    return [{"port": port.number, "protocol": port.protocol} for port in server_ports(service)]
