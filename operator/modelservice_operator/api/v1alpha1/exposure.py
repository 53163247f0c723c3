"""How the model is reached and watched: Service, Ingress or HTTPRoute, NetworkPolicy, PodMonitor."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.markers import (
    ATOMIC,
    Annotations,
    ApiModel,
    HostName,
    ObjectName,
    Port,
    QualifiedName,
    RequestPath,
    RoutePath,
    Selector,
    cel_rules,
)


class ServiceOptions(ApiModel):
    """The Service in front of the replicas."""

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
        description="How the Service is reached: inside the cluster, on a port of every node, or by a load balancer."
        " Headless has no address of its own: its name is those of the pods.",
        examples=["LoadBalancer"],
    )
    port: Port = Field(
        default=80, description="Port of the Service; a headless one has the container's.", examples=[8000]
    )
    annotations: Annotations | None = Field(
        default=None,
        description="Annotations of the Service, for load balancer controllers.",
        examples=[{"cloud.example.com/scheme": "internal"}],
    )
    load_balancer_class: QualifiedName | None = Field(
        default=None, description="Which load balancer to use.", examples=["cloud.example.com/internal"]
    )
    external_traffic_policy: Literal["Cluster", "Local"] | None = Field(
        default=None,
        description="Local keeps traffic from outside on the node that it reached, and shows the client's address.",
        examples=["Local"],
    )
    session_affinity: Literal["None", "ClientIP"] | None = Field(
        default=None, description="ClientIP keeps a client at one replica.", examples=["ClientIP"]
    )
    app_protocol: QualifiedName | None = Field(
        default=None, description="Protocol that the server speaks, for proxies.", examples=["kubernetes.io/h2c"]
    )


class IngressOptions(ApiModel):
    """An Ingress in front of the Service."""

    host: HostName = Field(description="Host name under which the model is reached.", examples=["iris.example.com"])
    class_name: ObjectName = Field(description="IngressClass that serves it.", examples=["nginx"])
    path: RoutePath = Field(default="/", description="Paths that start so are the model's.", examples=["/iris"])
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
        description="Gateways that serve it.",
        examples=[[{"name": "edge"}]],
        json_schema_extra=ATOMIC,
    )
    hostnames: list[HostName] | None = Field(
        default=None,
        max_length=16,
        description="Host names. Absent: those of the Gateway.",
        examples=[["iris.example.com"]],
        json_schema_extra=ATOMIC,
    )
    path: RoutePath = Field(default="/", description="Paths that start so are the model's.", examples=["/iris"])


class Expose(ApiModel):
    """How the model is reached from outside of the cluster."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            ("!(has(self.ingress) && has(self.httpRoute))", "set ingress or httpRoute, not both")
        )
    )
    ingress: IngressOptions | None = Field(
        default=None, description="By an Ingress.", examples=[{"host": "iris.example.com", "className": "nginx"}]
    )
    http_route: HttpRouteOptions | None = Field(
        default=None,
        description="By an HTTPRoute of the Gateway API.",
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
                "must be a range of addresses such as 192.0.2.0/24, without bits behind the prefix",
            )
        ),
    ),
]


class IpBlock(ApiModel):
    """A range of addresses."""

    cidr: AddressRange = Field(description="The range, as address/prefix length.", examples=["192.0.2.0/24"])


class NetworkPeer(ApiModel):
    """Who may send requests; selectors that stand together must both match."""

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
        description="Namespaces with all of these labels. Absent: the ModelService's own.",
        examples=[{"kubernetes.io/metadata.name": "edge"}],
    )
    ip_block: IpBlock | None = Field(default=None, description="Addresses.", examples=[{"cidr": "192.0.2.0/24"}])


class NetworkPolicyOptions(ApiModel):
    """A NetworkPolicy that lets only some reach the model."""

    enabled: bool = Field(default=False, description="Whether there is one.", examples=[True])
    sources: list[NetworkPeer] | None = Field(
        default=None,
        alias="from",
        max_length=32,
        description="Who may send requests to the container's port. Absent: the namespace's own pods.",
        examples=[[{"podLabels": {"app": "gateway"}}]],
        json_schema_extra=ATOMIC,
    )


class PodMonitorOptions(ApiModel):
    """A PodMonitor of the Prometheus operator."""

    enabled: bool = Field(default=False, description="Whether there is one.", examples=[True])
    path: RequestPath = Field(default="/metrics", description="Path of the server's metrics.", examples=["/metrics"])


class Monitoring(ApiModel):
    """How the model server is measured."""

    pod_monitor: PodMonitorOptions | None = Field(
        default=None, description="By a PodMonitor of the Prometheus operator.", examples=[{"enabled": True}]
    )
