"""Probes of a container (core/v1 Probe)."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.markers import ATOMIC, ApiModel, Rule, cel_rules, string_with_pattern
from modelservice_operator.api.primitives import Port, PortOrName, PositiveCount, PositiveSeconds, RequestPath, Seconds
from modelservice_operator.api.v1alpha1.ports import DEFAULT_PORT_NAME


class HttpHeader(ApiModel):
    """An HTTP header of the probe request."""

    name: Annotated[
        str,
        string_with_pattern("^[-A-Za-z0-9]+$", "must be the name of a header: letters, digits and '-'", max_length=253),
    ] = Field(description="Name of the header.", examples=["X-Probe"])
    value: str = Field(max_length=1024, description="Value of the header.", examples=["kubelet"])


class HttpGet(ApiModel):
    """An HTTP GET request; status 200 to 399 is success."""

    path: RequestPath | None = Field(
        default=None, description="Path of the request. Defaults to /.", examples=["/isAlive"]
    )
    port: PortOrName | None = Field(
        default=None,
        description="Port to connect to, by number or name. Defaults to containerPort.",
        examples=[8081],
    )
    scheme: Literal["HTTP", "HTTPS"] | None = Field(
        default=None,
        description="HTTP, or HTTPS without verification of the certificate. Defaults to HTTP.",
        examples=["HTTPS"],
    )
    http_headers: list[HttpHeader] | None = Field(
        default=None,
        max_length=16,
        description="Headers of the request.",
        examples=[[{"name": "X-Probe", "value": "kubelet"}]],
        json_schema_extra=ATOMIC,
    )


class TcpSocket(ApiModel):
    """A TCP connection; success if it can be opened."""

    port: PortOrName | None = Field(
        default=None,
        description="Port to connect to, by number or name. Defaults to containerPort.",
        examples=[8081],
    )


class Grpc(ApiModel):
    """A request of the gRPC health checking protocol."""

    port: Port | None = Field(
        default=None, description="Port to connect to. Defaults to containerPort.", examples=[9000]
    )
    service: str | None = Field(
        default=None,
        max_length=253,
        description="Service name in the health check request.",
        examples=["inference.GRPCInferenceService"],
    )


class Exec(ApiModel):
    """A command in the container; exit code 0 is success."""

    command: list[Annotated[str, Field(max_length=4096)]] = Field(
        min_length=1,
        max_length=64,
        description="Command and arguments, run without a shell.",
        examples=[["/app/healthy", "--quick"]],
        json_schema_extra=ATOMIC,
    )


class Probe(ApiModel):
    """Probe of the container. Without an action, a TCP connection to spec.containerPort is opened."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "[has(self.httpGet), has(self.tcpSocket), has(self.grpc), has(self.exec)].filter(x, x).size() <= 1",
                "set at most one of httpGet, tcpSocket, grpc and exec",
            )
        )
    )
    http_get: HttpGet | None = Field(
        default=None,
        description="Send an HTTP GET request; status 200 to 399 is success.",
        examples=[{"path": "/isAlive"}],
    )
    tcp_socket: TcpSocket | None = Field(default=None, description="Open a TCP connection.", examples=[{"port": 8081}])
    grpc: Grpc | None = Field(
        default=None, description="Use the gRPC health checking protocol.", examples=[{"port": 9000}]
    )
    exec: Exec | None = Field(
        default=None,
        description="Run a command in the container; exit code 0 is success.",
        examples=[{"command": ["/app/healthy"]}],
    )
    initial_delay_seconds: Seconds | None = Field(
        default=None, description="Seconds before the first probe. Defaults to 0.", examples=[5]
    )
    period_seconds: PositiveSeconds | None = Field(
        default=None, description="Seconds between probes. Defaults to 10.", examples=[5]
    )
    timeout_seconds: PositiveSeconds | None = Field(
        default=None, description="Seconds after which a probe times out. Defaults to 1.", examples=[2]
    )
    failure_threshold: PositiveCount | None = Field(
        default=None,
        description="Consecutive failures after which the probe counts as failed. Defaults to 3.",
        examples=[3],
    )
    success_threshold: PositiveCount | None = Field(
        default=None,
        description="Consecutive successes after which the probe counts as successful. Defaults to 1.",
        examples=[1],
    )


_ONE_SUCCESS = "!has(self.{probe}) || !has(self.{probe}.successThreshold) || self.{probe}.successThreshold == 1"


class Probes(ApiModel):
    """Health checks of the model container."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (_ONE_SUCCESS.format(probe="liveness"), "liveness.successThreshold must be 1: remove it"),
            (_ONE_SUCCESS.format(probe="startup"), "startup.successThreshold must be 1: remove it"),
        )
    )
    readiness: Probe | None = Field(
        default=None,
        description="Check whether the server can receive requests. Defaults to a TCP connection to containerPort.",
        examples=[{"httpGet": {"path": "/isAlive"}}],
    )
    liveness: Probe | None = Field(
        default=None,
        description="Check whether the container must be restarted. If not set, it is never restarted by a probe,"
        " because a server that is still loading its model would be killed.",
        examples=[{"httpGet": {"path": "/isAlive"}, "failureThreshold": 5}],
    )
    startup: Probe | None = Field(
        default=None,
        description="Check whether the server has started; the other probes begin afterwards. Defaults to a TCP"
        " connection to containerPort within 30 minutes.",
        examples=[{"httpGet": {"path": "/isAlive"}, "periodSeconds": 5, "failureThreshold": 360}],
    )


def _named_port_rule(*holders: str) -> Rule:
    """Return a rule of the spec: the ports of `holders`, such as `probes.?readiness.?httpGet`, exist."""
    ports = ", ".join(f"self.?{holder}.?port" for holder in holders)
    known = (
        f"port.value() in [has(self.portName) ? self.portName : '{DEFAULT_PORT_NAME}']"
        " || (has(self.ports) && self.ports.exists(p, p.name in [port.value()]))"
    )
    field = holders[0].partition(".")[0]
    return Rule(
        f"[{ports}].all(port, !port.hasValue() || type(port.value()) == int || {known})",
        f"port must be a number, portName ({DEFAULT_PORT_NAME}, if it is not set) or the name of a port in ports",
        f".{field}",
    )


PROBE_RULES = (
    _named_port_rule(
        *(
            f"probes.?{probe}.?{action}"
            for probe in ("readiness", "liveness", "startup")
            for action in ("httpGet", "tcpSocket")
        )
    ),
    _named_port_rule("lifecycle.?preStop.?httpGet", "lifecycle.?postStart.?httpGet"),
)
"""Rules of the spec: a named port exists."""
