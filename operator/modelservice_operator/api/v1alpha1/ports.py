"""Ports of the model container and of its Service."""

from typing import Annotated, Literal

from pydantic import Field

from modelservice_operator.api.markers import ApiModel, Rule, cel_rules, list_map, string_with_pattern
from modelservice_operator.api.primitives import Port, QualifiedName

DEFAULT_PORT_NAME = "http"
MAX_PORTS = 15

PortName = Annotated[
    str,
    string_with_pattern(
        "^[a-z0-9]+(-[a-z0-9]+)*$",
        "must be the name of a port: lower-case letters, digits and single '-', beginning and ending with a letter or"
        " digit (RFC 6335)",
        max_length=15,
        rules=cel_rules(("self.matches('[a-z]')", "must contain a letter, because a number would name no port")),
    ),
]


class ContainerPort(ApiModel):
    """A further port of the model container, which the Service offers as well."""

    name: PortName = Field(description="Name of the port, of the container and of the Service.", examples=["grpc"])
    container_port: Port = Field(description="Port that the server listens on.", examples=[8001])
    service_port: Port | None = Field(
        default=None,
        description="Port of the Service. Defaults to containerPort. Ignored for headless Services.",
        examples=[9000],
    )
    protocol: Literal["TCP", "UDP"] | None = Field(
        default=None, description="Transport protocol. Defaults to TCP.", examples=["TCP"]
    )
    app_protocol: QualifiedName | None = Field(
        default=None,
        description="Application protocol of the port, for proxies and load balancers.",
        examples=["grpc"],
    )
    node_port: Port | None = Field(
        default=None,
        description="Port of every node, for a Service of type NodePort or LoadBalancer. Assigned by Kubernetes if not"
        " set.",
        examples=[30001],
    )


# On Kubernetes 1.32 the estimated cost of orValue is unlimited: has() is used instead.
_IS_UDP = "(has({0}.protocol) && {0}.protocol == 'UDP')"
_SERVICE_PORT = "(has({0}.servicePort) ? {0}.servicePort : {0}.containerPort)"


def _is_unique(number: str) -> str:
    """Return a rule for a list of ports in which each `number` may occur once per protocol."""
    one, other = (number.format(name) for name in "po")
    same_protocol = f"{_IS_UDP.format('o')} == {_IS_UDP.format('p')}"
    return f"self.all(p, self.exists_one(o, {one} == {other} && {same_protocol}))"


ContainerPorts = Annotated[
    list[ContainerPort],
    Field(
        max_length=MAX_PORTS,
        json_schema_extra=list_map("name")
        | cel_rules(
            Rule(_is_unique("{}.containerPort"), "each containerPort must be used once: choose another number"),
            Rule(
                _is_unique(_SERVICE_PORT),
                "each port of the Service must be used once: set servicePort to another number",
            ),
        ),
    ),
]

_P_IS_UDP = _IS_UDP.format("p")
_PORT_NAME = f"(has(self.portName) ? self.portName : '{DEFAULT_PORT_NAME}')"


def _is_known(name: str) -> str:
    """Return a rule for the spec: the port `name` exists, and is reached by TCP."""
    return f"{name} == {_PORT_NAME} || (has(self.ports) && self.ports.exists(p, p.name == {name} && !{_P_IS_UDP}))"


def _known_port(*holder: str) -> Rule:
    """Return a rule for the field `port` of an optional part of the spec."""
    path = ".".join(holder)
    steps = [".".join(("self", *holder, "port")[:end]) for end in range(2, len(holder) + 3)]
    return Rule(
        f"{' || '.join(f'!has({step})' for step in steps)} || {_is_known(steps[-1])}",
        f"{path}.port must be portName ({DEFAULT_PORT_NAME}, if it is not set) or the name of a TCP port in ports",
        f".{path}.port",
    )


PORT_RULES = (
    Rule(
        f"!has(self.ports) || self.ports.all(p, p.name != {_PORT_NAME})",
        f"names in ports must differ from portName ({DEFAULT_PORT_NAME}, if it is not set): choose another name",
        ".ports",
    ),
    Rule(
        f"!has(self.ports) || self.ports.all(p, p.containerPort != self.containerPort || {_P_IS_UDP})",
        "ports must not repeat containerPort, which is a port of the container already: set portName to rename it",
        ".ports",
    ),
    Rule(
        f"!has(self.ports) || (has(self.service) && self.service.type == 'Headless') || self.ports.all(p,"
        f" {_SERVICE_PORT.format('p')} != (has(self.service) ? self.service.port : 80) || {_P_IS_UDP})",
        "ports must not repeat service.port (80, if it is not set): set servicePort to another number",
        ".ports",
    ),
    Rule(
        "!has(self.ports) || (has(self.service) && self.service.type in ['NodePort', 'LoadBalancer'])"
        " || !self.ports.exists(p, has(p.nodePort))",
        "nodePort in ports needs service.type NodePort or LoadBalancer: change service.type, or remove nodePort",
        ".ports",
    ),
    _known_port("expose", "ingress"),
    _known_port("expose", "httpRoute"),
    _known_port("monitoring", "podMonitor"),
    Rule(
        "!has(self.expose) || !has(self.expose.ingress) || !has(self.expose.ingress.rules)"
        f" || self.expose.ingress.rules.all(rule, rule.paths.all(path, !has(path.port) || {_is_known('path.port')}))",
        f"port of a path must be portName ({DEFAULT_PORT_NAME}, if it is not set) or the name of a TCP port in ports",
        ".expose.ingress.rules",
    ),
)
"""Rules of the spec that compare ports with other fields."""
