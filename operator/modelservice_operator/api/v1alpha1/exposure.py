"""Access to the model, and monitoring: Service, Ingress or HTTPRoute, NetworkPolicy, PodMonitor."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.markers import (
    ATOMIC,
    ApiModel,
    cel_rules,
)
from modelservice_operator.api.primitives import (
    Annotations,
    HostName,
    ObjectName,
    Port,
    QualifiedName,
    RequestPath,
    RoutePath,
    Selector,
)


class ServiceOptions(ApiModel):
    """The Service of the replicas."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "!has(self.externalTrafficPolicy) || self.type in ['NodePort', 'LoadBalancer']",
                "externalTrafficPolicy needs type NodePort or LoadBalancer: change type, or remove it",
            ),
            (
                "!has(self.loadBalancerClass) || self.type == 'LoadBalancer'",
                "loadBalancerClass needs type LoadBalancer: change type, or remove it",
            ),
        )
    )
    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "Headless"] = Field(
        default="ClusterIP",
        description="Type of the Service. Headless has no cluster IP: its DNS name resolves to the addresses of the"
        " pods.",
        examples=["LoadBalancer"],
    )
    port: Port = Field(
        default=80,
        description="Port of the Service. Ignored for headless Services, which use containerPort.",
        examples=[8000],
    )
    annotations: Annotations | None = Field(
        default=None,
        description="Annotations of the Service, for load balancer controllers.",
        examples=[{"cloud.example.com/scheme": "internal"}],
    )
    load_balancer_class: QualifiedName | None = Field(
        default=None, description="Class of the load balancer implementation.", examples=["cloud.example.com/internal"]
    )
    external_traffic_policy: Literal["Cluster", "Local"] | None = Field(
        default=None,
        description="Local routes external traffic only to pods on the receiving node and preserves the client's IP"
        " address.",
        examples=["Local"],
    )
    session_affinity: Literal["None", "ClientIP"] | None = Field(
        default=None,
        description="ClientIP routes all connections of a client to the same replica.",
        examples=["ClientIP"],
    )
    app_protocol: QualifiedName | None = Field(
        default=None,
        description="Application protocol of the server, for proxies and load balancers.",
        examples=["kubernetes.io/h2c"],
    )


class IngressOptions(ApiModel):
    """An Ingress for the Service."""

    host: HostName = Field(description="Host name of the model.", examples=["iris.example.com"])
    class_name: ObjectName = Field(description="IngressClass of the Ingress.", examples=["nginx"])
    path: RoutePath = Field(default="/", description="Path prefix routed to the model.", examples=["/iris"])
    tls_secret_name: ObjectName | None = Field(
        default=None,
        description="Secret with the certificate of the host, in the namespace of the ModelService.",
        examples=["iris-tls"],
    )
    annotations: Annotations | None = Field(
        default=None,
        description="Annotations of the Ingress, for its controller.",
        examples=[{"nginx.ingress.kubernetes.io/proxy-read-timeout": "60"}],
    )


class ParentReference(ApiModel):
    """A Gateway of the same namespace."""

    name: ObjectName = Field(
        description="Name of the Gateway, in the namespace of the ModelService.", examples=["edge"]
    )
    section_name: ObjectName | None = Field(default=None, description="Listener of the Gateway.", examples=["https"])


class HttpRouteOptions(ApiModel):
    """An HTTPRoute of the Gateway API."""

    parent_refs: list[ParentReference] = Field(
        min_length=1,
        max_length=8,
        description="Gateways that the route attaches to.",
        examples=[[{"name": "edge"}]],
        json_schema_extra=ATOMIC,
    )
    hostnames: list[HostName] | None = Field(
        default=None,
        max_length=16,
        description="Host names of the route. Defaults to those of the Gateway.",
        examples=[["iris.example.com"]],
        json_schema_extra=ATOMIC,
    )
    path: RoutePath = Field(default="/", description="Path prefix routed to the model.", examples=["/iris"])


class Expose(ApiModel):
    """Access to the model from outside the cluster."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            ("!(has(self.ingress) && has(self.httpRoute))", "set ingress or httpRoute, not both")
        )
    )
    ingress: IngressOptions | None = Field(
        default=None, description="Create an Ingress.", examples=[{"host": "iris.example.com", "className": "nginx"}]
    )
    http_route: HttpRouteOptions | None = Field(
        default=None,
        description="Create an HTTPRoute (Gateway API).",
        examples=[{"parentRefs": [{"name": "edge"}], "hostnames": ["iris.example.com"]}],
    )


AddressRange = Annotated[
    str,
    Field(
        min_length=1,
        max_length=43,
        json_schema_extra=cel_rules(
            (
                "isCIDR(self) && cidr(self) == cidr(self).masked()",
                "must be an address range such as 192.0.2.0/24, without bits set after the prefix",
            )
        ),
    ),
]


class IpBlock(ApiModel):
    """An address range."""

    cidr: AddressRange = Field(description="Address range in CIDR notation.", examples=["192.0.2.0/24"])


class NetworkPeer(ApiModel):
    """Allowed source of requests. If both selectors are set, both must match."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "has(self.ipBlock) != (has(self.podLabels) || has(self.namespaceLabels))",
                "set ipBlock, or podLabels and namespaceLabels",
            )
        )
    )
    pod_labels: Selector | None = Field(
        default=None, description="Pods with all of these labels.", examples=[{"app": "gateway"}]
    )
    namespace_labels: Selector | None = Field(
        default=None,
        description="Namespaces with all of these labels. Defaults to the namespace of the ModelService.",
        examples=[{"kubernetes.io/metadata.name": "edge"}],
    )
    ip_block: IpBlock | None = Field(
        default=None, description="Address range of the clients.", examples=[{"cidr": "192.0.2.0/24"}]
    )


class NetworkPolicyOptions(ApiModel):
    """A NetworkPolicy that restricts who can reach the model."""

    enabled: bool = Field(default=False, description="Create a NetworkPolicy.", examples=[True])
    sources: list[NetworkPeer] | None = Field(
        default=None,
        alias="from",
        max_length=32,
        description="Allowed sources of requests to containerPort. Defaults to all pods of the namespace.",
        examples=[[{"podLabels": {"app": "gateway"}}]],
        json_schema_extra=ATOMIC,
    )


class PodMonitorOptions(ApiModel):
    """A PodMonitor of the Prometheus operator."""

    enabled: bool = Field(default=False, description="Create a PodMonitor.", examples=[True])
    path: RequestPath = Field(default="/metrics", description="HTTP path of the metrics.", examples=["/metrics"])


class Monitoring(ApiModel):
    """Monitoring of the model server."""

    pod_monitor: PodMonitorOptions | None = Field(
        default=None, description="Create a PodMonitor (Prometheus operator).", examples=[{"enabled": True}]
    )
