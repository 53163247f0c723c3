"""Builds the Service, and the URLs of the model."""

from collections.abc import Mapping
from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import SERVICE
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apimachinery.url import url_host
from modelservice_operator.errors import InvalidRequestError
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import (
    CLUSTER_IP_NONE,
    child_metadata,
    omit_none,
    selector,
    service_name,
    type_meta,
)
from modelservice_operator.resources.ports import build_service_ports, is_headless, service_options, service_port

HTTP_PORT = 80


def build_service(service: ModelService) -> DesiredChild:
    """Return the Service of the replicas."""
    options, headless = service_options(service), is_headless(service)
    seconds = options.session_affinity_timeout_seconds
    spec: dict[str, Any] = {
        "type": "ClusterIP" if headless else options.type,
        "selector": selector(service),
        "ports": build_service_ports(service),
        **omit_none(
            clusterIP=CLUSTER_IP_NONE if headless else None,
            loadBalancerClass=options.load_balancer_class,
            loadBalancerSourceRanges=options.load_balancer_source_ranges or None,
            externalTrafficPolicy=options.external_traffic_policy,
            internalTrafficPolicy=options.internal_traffic_policy,
            sessionAffinity=options.session_affinity,
            sessionAffinityConfig={"clientIP": {"timeoutSeconds": seconds}} if seconds else None,
            trafficDistribution=options.traffic_distribution,
            ipFamilyPolicy=options.ip_family_policy,
            ipFamilies=options.ip_families or None,
            # The API server drops false, which would otherwise count as drift at each reconcile.
            publishNotReadyAddresses=options.publish_not_ready_addresses or None,
        ),
    }
    metadata = child_metadata(
        service, name=service_name(service), extra_labels=options.labels, annotations=options.annotations
    )
    return DesiredChild.of(SERVICE, {**type_meta(SERVICE), "metadata": metadata, "spec": spec})


def holds_node_port(live: Mapping[str, Any], desired: Mapping[str, Any]) -> bool:
    """Return True if `live` has a port of the nodes that `desired` asks for: only one Service can have it."""
    return bool(_node_ports(live) & _node_ports(desired))


def without_held_ports(desired: Object, live: Mapping[str, Any]) -> Object:
    """Return a desired Service without the ports of the nodes that `live` holds and its deletion releases."""
    held = _node_ports(live)
    ports = [
        {name: value for name, value in port.items() if name != "nodePort" or value not in held}
        for port in desired["spec"]["ports"]
    ]
    return {**desired, "spec": desired["spec"] | {"ports": ports}}


def without_node_ports(desired: DesiredChild) -> DesiredChild:
    """Return a Service whose ports of the nodes are assigned. It has another hash, so that an apply sets them again."""
    ports = [
        {name: value for name, value in port.items() if name != "nodePort"} for port in desired.body["spec"]["ports"]
    ]
    return DesiredChild.of(SERVICE, {**desired.body, "spec": desired.body["spec"] | {"ports": ports}})


def is_refused_for_node_port(error: InvalidRequestError) -> bool:
    """Return True if the API server rejected a Service because of a port of the nodes."""
    status = error.status
    causes = status.causes if status is not None and status.kind == SERVICE.kind else ()
    return any(cause.field.endswith(".nodePort") for cause in causes)


def _node_ports(service: Mapping[str, Any]) -> set[int]:
    return {port["nodePort"] for port in service["spec"].get("ports") or () if "nodePort" in port}


def http_url(service: ModelService, host: str) -> str:
    """Return the URL of the Service on `host`; the default port of HTTP is omitted (RFC 9110, section 4.2.1)."""
    port = service_port(service)
    return f"http://{url_host(host)}" if port == HTTP_PORT else f"http://{url_host(host)}:{port}"


def cluster_url(service: ModelService) -> str:
    """Return the URL of the Service with its cluster DNS name, without the zone, which differs between clusters."""
    return http_url(service, f"{service_name(service)}.{service.metadata.namespace}.svc")
