"""Access to the model, and monitoring: Service, Ingress or HTTPRoute, NetworkPolicy, PodMonitor."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.markers import (
    ATOMIC,
    ApiModel,
    Rule,
    cel_rules,
    dns_label,
    string_with_pattern,
)
from modelservice_operator.api.primitives import (
    ROUTE_PATH_PATTERN,
    UNNORMALIZED_PATH_PATTERN,
    Annotations,
    HostName,
    ObjectName,
    OwnLabels,
    Port,
    PositiveSeconds,
    QualifiedName,
    RequestPath,
    RoutePath,
    Selector,
)
from modelservice_operator.api.v1alpha1.ports import PortName

NamespaceName = Annotated[str, dns_label("namespace")]
ServiceName = Annotated[
    str,
    string_with_pattern(
        "^[a-z]([-a-z0-9]*[a-z0-9])?$",
        "must be the name of a Service: lower-case letters, digits and '-', beginning with a letter and ending with a"
        " letter or digit (RFC 1035)",
        max_length=63,
    ),
]
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
GatewayDuration = Annotated[
    str,
    string_with_pattern(
        "^([0-9]{1,5}(h|m|s|ms)){1,4}$", "must be a duration such as 30s or 1m30s (GEP-2257)", max_length=32
    ),
]
PrometheusDuration = Annotated[
    str,
    string_with_pattern(
        "^([0-9]{1,9}(y|w|d|h|m|s|ms))+$", "must be a duration of Prometheus such as 30s or 1m", max_length=32
    ),
]
IngressPathPattern = Annotated[
    str,
    string_with_pattern(
        r"^/[^\s\p{C}]*$",
        "must be a path such as /iris or a regular expression such as /iris(/|$)(.*): begin with '/', use no spaces",
        max_length=512,
    ),
]
PathType = Literal["Prefix", "Exact", "ImplementationSpecific"]
_PATH_RULE = Rule(
    "!has(self.path) || (has(self.pathType) && self.pathType == 'ImplementationSpecific')"
    f' || (self.path.matches(r"{ROUTE_PATH_PATTERN}") && !self.path.matches(r"{UNNORMALIZED_PATH_PATTERN}"))',
    "path of pathType Prefix or Exact must be a normalized URL path, without '//', '/./', '/../' and encoded slashes:"
    " percent-encode other characters than letters and digits (RFC 3986), or set pathType to ImplementationSpecific"
    " for a regular expression",
    ".path",
)


_SERVICE_RULES = (
    Rule(
        "!has(self.externalTrafficPolicy) || self.type in ['NodePort', 'LoadBalancer']",
        "externalTrafficPolicy needs type NodePort or LoadBalancer: change type, or remove it",
    ),
    Rule(
        "!has(self.loadBalancerClass) || self.type == 'LoadBalancer'",
        "loadBalancerClass needs type LoadBalancer: change type, or remove it",
    ),
    Rule(
        "!has(self.loadBalancerSourceRanges) || self.type == 'LoadBalancer'",
        "loadBalancerSourceRanges needs type LoadBalancer: change type, or remove it; networkPolicy.from restricts the"
        " clients of every type",
    ),
    Rule(
        "!has(self.nodePort) || self.type in ['NodePort', 'LoadBalancer']",
        "nodePort needs type NodePort or LoadBalancer: change type, or remove it",
    ),
    Rule(
        "!has(self.sessionAffinityTimeoutSeconds) || (has(self.sessionAffinity) && self.sessionAffinity == 'ClientIP')",
        "sessionAffinityTimeoutSeconds needs sessionAffinity ClientIP: set it, or remove sessionAffinityTimeoutSeconds",
    ),
    Rule(
        "!has(self.ipFamilies) || self.ipFamilies.size() < 2"
        " || (has(self.ipFamilyPolicy) && self.ipFamilyPolicy != 'SingleStack')",
        "two ipFamilies need ipFamilyPolicy PreferDualStack or RequireDualStack: set it, or remove one family",
    ),
)


class ServiceOptions(ApiModel):
    """The Service of the replicas."""

    model_config = ConfigDict(json_schema_extra=cel_rules(*_SERVICE_RULES))
    name: ServiceName | None = Field(
        default=None,
        description="Name of the Service, and with it its DNS name. Defaults to the name of the ModelService. A Service"
        " of another owner is never taken over.",
        examples=["iris-predictor"],
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
    node_port: Port | None = Field(
        default=None,
        description="Port of every node that leads to port. Assigned by Kubernetes if not set.",
        examples=[30080],
    )
    labels: OwnLabels | None = Field(
        default=None,
        description="Additional labels of the Service, such as those that a ServiceMonitor selects.",
        examples=[{"team": "flowers"}],
    )
    annotations: Annotations | None = Field(
        default=None,
        description="Annotations of the Service, for load balancer controllers.",
        examples=[{"cloud.example.com/scheme": "internal"}],
    )
    load_balancer_class: QualifiedName | None = Field(
        default=None,
        description="Class of the load balancer implementation. Changing it re-creates the Service.",
        examples=["cloud.example.com/internal"],
    )
    external_traffic_policy: Literal["Cluster", "Local"] | None = Field(
        default=None,
        description="Local routes external traffic only to pods on the receiving node and preserves the client's IP"
        " address.",
        examples=["Local"],
    )
    internal_traffic_policy: Literal["Cluster", "Local"] | None = Field(
        default=None,
        description="Local routes traffic from a pod only to replicas on the node of the pod. Defaults to Cluster.",
        examples=["Local"],
    )
    traffic_distribution: Literal["PreferClose", "PreferSameZone", "PreferSameNode"] | None = Field(
        default=None,
        description="Prefer replicas in the zone or on the node of the client. PreferSameZone and PreferSameNode"
        " require Kubernetes 1.34.",
        examples=["PreferClose"],
    )
    load_balancer_source_ranges: list[AddressRange] | None = Field(
        default=None,
        max_length=32,
        description="Address ranges of the clients that the load balancer admits, if it supports this. Defaults to"
        " all.",
        examples=[["192.0.2.0/24"]],
        json_schema_extra=ATOMIC,
    )
    session_affinity: Literal["None", "ClientIP"] | None = Field(
        default=None,
        description="ClientIP routes all connections of a client to the same replica.",
        examples=["ClientIP"],
    )
    session_affinity_timeout_seconds: PositiveSeconds | None = Field(
        default=None,
        description="Seconds without a request after which a client may reach another replica. Defaults to 10800.",
        examples=[600],
    )
    ip_family_policy: Literal["SingleStack", "PreferDualStack", "RequireDualStack"] | None = Field(
        default=None,
        description="Use of IPv4 and IPv6 addresses by the Service. Defaults to SingleStack; removing it later keeps"
        " the last value.",
        examples=["PreferDualStack"],
    )
    ip_families: (
        Annotated[
            list[Literal["IPv4", "IPv6"]],
            Field(
                max_length=2,
                json_schema_extra=ATOMIC
                | cel_rules(("self.size() < 2 || self[0] != self[1]", "each IP family must be named once: remove one")),
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="IP families of the Service, the primary one first. Defaults to those of the cluster. Changing the"
        " primary one re-creates the Service, unless it is headless.",
        examples=[["IPv4"]],
    )
    publish_not_ready_addresses: bool | None = Field(
        default=None,
        description="Also send requests to replicas that are not ready. Defaults to false.",
        examples=[True],
    )
    app_protocol: QualifiedName | None = Field(
        default=None,
        description="Application protocol of the server, for proxies and load balancers.",
        examples=["kubernetes.io/h2c"],
    )


class IngressPath(ApiModel):
    """A path of an Ingress, and the port that receives its requests."""

    model_config = ConfigDict(json_schema_extra=cel_rules(_PATH_RULE))
    path: IngressPathPattern | None = Field(
        default=None,
        description="Path routed to the model. A regular expression is possible with pathType ImplementationSpecific,"
        " if the Ingress controller supports it. Defaults to /.",
        examples=["/v2"],
    )
    path_type: PathType | None = Field(
        default=None, description="Comparison of path (networking.k8s.io/v1). Defaults to Prefix.", examples=["Exact"]
    )
    port: PortName | None = Field(
        default=None,
        description="Name of the port: portName, or one in ports. Defaults to portName.",
        examples=["http"],
    )


class IngressRule(ApiModel):
    """Paths of one host."""

    host: HostName | None = Field(
        default=None, description="Host name. Defaults to every host.", examples=["iris.example.com"]
    )
    paths: list[IngressPath] = Field(
        min_length=1,
        max_length=16,
        description="Paths routed to the model.",
        examples=[[{"path": "/v2"}]],
        json_schema_extra=ATOMIC,
    )


class IngressTls(ApiModel):
    """A certificate of an Ingress."""

    hosts: list[HostName] | None = Field(
        default=None,
        max_length=16,
        description="Host names that the certificate is for. Defaults to every host.",
        examples=[["iris.example.com"]],
        json_schema_extra=ATOMIC,
    )
    secret_name: ObjectName | None = Field(
        default=None,
        description="Secret with the certificate, in the namespace of the ModelService. Defaults to the certificate of"
        " the Ingress controller.",
        examples=["iris-tls"],
    )


class IngressOptions(ApiModel):
    """An Ingress for the Service: one host and path, or rules for several."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "!has(self.rules) || !(has(self.host) || has(self.path) || has(self.pathType) || has(self.port))",
                "set rules, or host, path, pathType and port, not both",
            ),
            ("!(has(self.tls) && has(self.tlsSecretName))", "set tls or tlsSecretName, not both"),
            _PATH_RULE,
        )
    )
    host: HostName | None = Field(
        default=None,
        description="Host name of the model. Defaults to every host: the model is reached by the address of the"
        " Ingress controller.",
        examples=["iris.example.com"],
    )
    class_name: ObjectName | None = Field(
        default=None,
        description="IngressClass of the Ingress. Defaults to the default class of the cluster.",
        examples=["nginx"],
    )
    path: IngressPathPattern | None = Field(
        default=None,
        description="Path routed to the model. A regular expression is possible with pathType ImplementationSpecific,"
        " if the Ingress controller supports it. Defaults to /.",
        examples=["/iris"],
    )
    path_type: PathType | None = Field(
        default=None, description="Comparison of path (networking.k8s.io/v1). Defaults to Prefix.", examples=["Exact"]
    )
    port: PortName | None = Field(
        default=None,
        description="Name of the port that receives the requests: portName, or one in ports. Defaults to portName.",
        examples=["http"],
    )
    rules: list[IngressRule] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="Several hosts or paths, instead of host, path, pathType and port.",
        examples=[[{"host": "iris.example.com", "paths": [{"path": "/v1"}, {"path": "/v2"}]}]],
        json_schema_extra=ATOMIC,
    )
    tls_secret_name: ObjectName | None = Field(
        default=None,
        description="Secret with the certificate of all hosts, in the namespace of the ModelService.",
        examples=["iris-tls"],
    )
    tls: list[IngressTls] | None = Field(
        default=None,
        max_length=16,
        description="Certificates of several hosts, instead of tlsSecretName.",
        examples=[[{"hosts": ["iris.example.com"], "secretName": "iris-tls"}]],
        json_schema_extra=ATOMIC,
    )
    labels: OwnLabels | None = Field(
        default=None, description="Additional labels of the Ingress.", examples=[{"team": "flowers"}]
    )
    annotations: Annotations | None = Field(
        default=None,
        description="Annotations of the Ingress, for its controller.",
        examples=[{"nginx.ingress.kubernetes.io/proxy-read-timeout": "60"}],
    )


class ParentReference(ApiModel):
    """A Gateway. One of another namespace must admit the route by its allowedRoutes."""

    name: ObjectName = Field(description="Name of the Gateway.", examples=["edge"])
    namespace: NamespaceName | None = Field(
        default=None,
        description="Namespace of the Gateway. Defaults to that of the ModelService.",
        examples=["infra"],
    )
    section_name: ObjectName | None = Field(default=None, description="Listener of the Gateway.", examples=["https"])
    port: Port | None = Field(default=None, description="Port of the listeners of the Gateway.", examples=[443])


class RouteTimeouts(ApiModel):
    """Timeouts of an HTTPRoute."""

    request: GatewayDuration | None = Field(
        default=None,
        description="Time for a whole request; 0s disables it. Defaults to that of the Gateway.",
        examples=["60s"],
    )


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
    port: PortName | None = Field(
        default=None,
        description="Name of the port that receives the requests: portName, or one in ports. Defaults to portName.",
        examples=["http"],
    )
    timeouts: RouteTimeouts | None = Field(
        default=None, description="Timeouts of the route.", examples=[{"request": "60s"}]
    )
    annotations: Annotations | None = Field(
        default=None,
        description="Annotations of the HTTPRoute, for the controllers of Gateways and DNS.",
        examples=[{"external-dns.alpha.kubernetes.io/ttl": "60"}],
    )


class Expose(ApiModel):
    """Access to the model from outside the cluster."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            ("!(has(self.ingress) && has(self.httpRoute))", "set ingress or httpRoute, not both")
        )
    )
    ingress: IngressOptions | None = Field(
        default=None,
        description="Create an Ingress; {} is one for every host.",
        examples=[{"host": "iris.example.com", "className": "nginx"}],
    )
    http_route: HttpRouteOptions | None = Field(
        default=None,
        description="Create an HTTPRoute (Gateway API).",
        examples=[{"parentRefs": [{"name": "edge"}], "hostnames": ["iris.example.com"]}],
    )


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
        description="Allowed sources of requests to containerPort and ports. Defaults to all pods of the namespace.",
        examples=[[{"podLabels": {"app": "gateway"}}]],
        json_schema_extra=ATOMIC,
    )


class PodMonitorOptions(ApiModel):
    """A PodMonitor of the Prometheus operator."""

    enabled: bool = Field(default=False, description="Create a PodMonitor.", examples=[True])
    path: RequestPath = Field(default="/metrics", description="HTTP path of the metrics.", examples=["/metrics"])
    port: PortName | None = Field(
        default=None,
        description="Name of the port with the metrics: portName, or one in ports. Defaults to portName.",
        examples=["http"],
    )
    interval: PrometheusDuration | None = Field(
        default=None, description="Time between two scrapes. Defaults to that of Prometheus.", examples=["15s"]
    )
    labels: OwnLabels | None = Field(
        default=None,
        description="Additional labels of the PodMonitor, such as those that Prometheus selects.",
        examples=[{"release": "prometheus"}],
    )


class Monitoring(ApiModel):
    """Monitoring of the model server."""

    pod_monitor: PodMonitorOptions | None = Field(
        default=None, description="Create a PodMonitor (Prometheus operator).", examples=[{"enabled": True}]
    )
