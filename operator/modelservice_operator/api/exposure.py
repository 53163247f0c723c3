"""How the model is reached and watched: Service, Ingress or HTTPRoute, NetworkPolicy, PodMonitor."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.schema import (
    NO_RESERVED_KEYS,
    ApiModel,
    HostName,
    LabelValue,
    ObjectName,
    Port,
    cel,
)

Annotations = Annotated[
    dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=64, json_schema_extra=NO_RESERVED_KEYS)
]
Labels = Annotated[dict[str, LabelValue], Field(max_length=64, json_schema_extra=NO_RESERVED_KEYS)]
Selector = Annotated[dict[str, LabelValue], Field(max_length=64)]
RoutePath = Annotated[str, Field(min_length=1, max_length=1024, pattern="^/")]


class ServiceOptions(ApiModel):
    """The Service in front of the replicas."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "Headless"] = Field(
        default="ClusterIP",
        description="How the Service is reached. Headless has no address of its own: its name is those of the pods.",
    )
    port: Port = Field(default=80, description="Port of the Service; a headless one has the container's.")
    annotations: Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=64)] | None = Field(
        default=None, description="Annotations of the Service, for load balancer controllers."
    )
    load_balancer_class: str | None = Field(default=None, max_length=316, description="Which load balancer to use.")
    external_traffic_policy: Literal["Cluster", "Local"] | None = Field(
        default=None, description="Whether traffic from outside stays on the node that it reached."
    )
    session_affinity: Literal["None", "ClientIP"] | None = Field(
        default=None, description="ClientIP keeps a client at one replica."
    )
    app_protocol: str | None = Field(default=None, max_length=316, description="Protocol, such as kubernetes.io/h2c.")


class IngressOptions(ApiModel):
    """An Ingress in front of the Service."""

    host: HostName = Field(description="Host name.", examples=["iris.example.com"])
    class_name: str = Field(
        min_length=1, max_length=253, description="IngressClass that serves it.", examples=["nginx"]
    )
    path: RoutePath = Field(default="/", description="Paths that start so are the model's.")
    tls_secret_name: ObjectName | None = Field(default=None, description="Secret with the certificate of the host.")
    annotations: Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=64)] | None = Field(
        default=None, description="Annotations of the Ingress, for its controller."
    )


class ParentReference(ApiModel):
    """A Gateway of the same namespace."""

    name: ObjectName = Field(description="Name of the Gateway, in the namespace of the ModelService.")
    section_name: str | None = Field(default=None, max_length=253, description="Listener of the Gateway.")


class HttpRouteOptions(ApiModel):
    """An HTTPRoute of the Gateway API."""

    parent_refs: list[ParentReference] = Field(min_length=1, max_length=8, description="Gateways that serve it.")
    hostnames: list[HostName] | None = Field(default=None, max_length=16, description="Host names.")
    path: RoutePath = Field(default="/", description="Paths that start so are the model's.")


class Expose(ApiModel):
    """How the model is reached from outside of the cluster."""

    model_config = ConfigDict(
        json_schema_extra=cel(("!(has(self.ingress) && has(self.httpRoute))", "set ingress or httpRoute, not both"))
    )
    ingress: IngressOptions | None = Field(default=None, description="By an Ingress.")
    http_route: HttpRouteOptions | None = Field(default=None, description="By an HTTPRoute of the Gateway API.")


class IpBlock(ApiModel):
    """A range of addresses."""

    cidr: str = Field(min_length=1, max_length=43, description="The range.", examples=["192.0.2.0/24"])


class NetworkPeer(ApiModel):
    """Who may send requests; selectors that stand together must both match."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.ipBlock) != (has(self.podLabels) || has(self.namespaceLabels))",
                "set ipBlock, or podLabels and namespaceLabels",
            )
        )
    )
    pod_labels: Selector | None = Field(default=None, description="Pods with these labels.")
    namespace_labels: Selector | None = Field(
        default=None, description="Namespaces with these labels. Absent: the ModelService's own."
    )
    ip_block: IpBlock | None = Field(default=None, description="Addresses.")


class NetworkPolicyOptions(ApiModel):
    """A NetworkPolicy that lets only some reach the model."""

    enabled: bool = Field(default=False, description="Whether there is one.")
    sources: list[NetworkPeer] | None = Field(
        default=None,
        alias="from",
        max_length=32,
        description="Who may send requests to the container's port. Absent: the namespace's own pods.",
    )


class PodMonitorOptions(ApiModel):
    """A PodMonitor of the Prometheus operator."""

    enabled: bool = Field(default=False, description="Whether there is one.")
    path: RoutePath = Field(default="/metrics", description="Path of the server's metrics.")


class Monitoring(ApiModel):
    """How the model server is measured."""

    pod_monitor: PodMonitorOptions | None = Field(default=None, description="By a PodMonitor.")
