"""The condition Exposed and the URL: where the model can be reached from outside the cluster."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from modelservice_operator.api.v1alpha1.exposure import IngressOptions
from modelservice_operator.apimachinery.kinds import HTTP_ROUTE, INGRESS, SERVICE
from modelservice_operator.apimachinery.url import url_host
from modelservice_operator.resources.http_route import http_route_options
from modelservice_operator.resources.ingress import has_certificate, ingress_options, ingress_rules
from modelservice_operator.resources.metadata import service_name
from modelservice_operator.resources.ports import service_options
from modelservice_operator.resources.service import cluster_url, http_url
from modelservice_operator.status.conditions import Explanation, find_condition
from modelservice_operator.status.reasons import Reason
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import normalize, truncate, with_full_stop

_LITERAL_PATH = re.compile(r"[-\w/.~%]*")
"""Beginning of a path without a regular expression."""
_LOAD_BALANCER_ADVICE = (
    "A cluster without a load balancer implementation never assigns one: install one, or set service.type to NodePort,"
    " or expose.ingress."
)
_INGRESS_ADVICE = (
    "Check that an Ingress controller serves its class (expose.ingress.className), and that it publishes its address."
)
_ROUTE_ADVICE = "Check that the Gateway of expose.httpRoute.parentRefs exists, and that a controller serves its class."


class ExposedCondition(NamedTuple):
    """Status and explanation of the condition Exposed."""

    status: bool
    explanation: Explanation


def exposed_condition(snapshot: Snapshot) -> ExposedCondition | None:
    """Return the condition Exposed; None without access from outside the cluster.

    It never affects Ready. What is missing is reported before what is there.
    """
    found = [*_ingress(snapshot), *_http_route(snapshot), *_load_balancer(snapshot)]
    return min(found, key=lambda condition: condition.status, default=None)


def outside_url(snapshot: Snapshot) -> str | None:
    """Return the URL of the model from outside the cluster.

    None while it is not known; the URL inside the cluster if no other access is configured.
    """
    service = snapshot.service
    if (ingress := ingress_options(service)) is not None:
        return _ingress_url(ingress, snapshot.ingress_address)
    if (route := http_route_options(service)) is not None and route.hostnames:
        # The route does not state if the Gateway terminates TLS.
        return _url("http", _first_name(route.hostnames), route.path)
    if _wants_load_balancer(snapshot):
        return http_url(service, snapshot.load_balancer) if snapshot.load_balancer else None
    return cluster_url(service) if route is None else None


def _load_balancer(snapshot: Snapshot) -> Iterable[ExposedCondition]:
    if _wants_load_balancer(snapshot):
        name = f"{SERVICE.kind} {service_name(snapshot.service)}"
        yield _address(name, snapshot.load_balancer, advice=_LOAD_BALANCER_ADVICE)


def _ingress(snapshot: Snapshot) -> Iterable[ExposedCondition]:
    if ingress_options(snapshot.service) is not None:
        name = f"{INGRESS.kind} {snapshot.service.metadata.name}"
        yield _address(name, snapshot.ingress_address, advice=_INGRESS_ADVICE)


def _http_route(snapshot: Snapshot) -> Iterable[ExposedCondition]:
    if http_route_options(snapshot.service) is None:
        return
    name = f"{HTTP_ROUTE.kind} {snapshot.service.metadata.name}"
    if (refusal := _refusal(snapshot.route_parents)) is not None:
        gateway, message = refusal
        cause = with_full_stop(truncate(normalize(message, snapshot))) if message else "No reason is given."
        text = f"{name} is not accepted by Gateway {gateway}: {cause}"
        yield ExposedCondition(status=False, explanation=Explanation(Reason.ROUTE_NOT_ACCEPTED, text))
    elif not snapshot.route_parents:
        text = f"{name} has not been accepted by a Gateway yet. {_ROUTE_ADVICE}"
        yield ExposedCondition(status=False, explanation=Explanation(Reason.ROUTE_PENDING, text))
    else:
        text = f"{name} is accepted by its Gateway."
        yield ExposedCondition(status=True, explanation=Explanation(Reason.ROUTE_ACCEPTED, text))


def _address(name: str, address: str | None, *, advice: str) -> ExposedCondition:
    if address is None:
        text = f"{name} has no address yet. {advice}"
        return ExposedCondition(status=False, explanation=Explanation(Reason.ADDRESS_PENDING, text))
    text = f"{name} has the address {address}."
    return ExposedCondition(status=True, explanation=Explanation(Reason.ADDRESS_ASSIGNED, text))


def _refusal(parents: Iterable[Mapping[str, Any]]) -> tuple[str, str] | None:
    """Return the Gateway that does not accept the route, and its message (Gateway API, RouteStatus)."""
    for parent in parents:
        for kind in ("Accepted", "ResolvedRefs"):
            condition = find_condition(parent.get("conditions"), kind) or {}
            if condition.get("status") == "False":
                name = (parent.get("parentRef") or {}).get("name", "")
                return str(name), str(condition.get("message") or condition.get("reason") or "")
    return None


def _ingress_url(options: IngressOptions, address: str | None) -> str | None:
    rule = ingress_rules(options)[0]
    host = _first_name([rule.host] if rule.host else []) or address
    scheme = "https" if has_certificate(options, rule.host) else "http"
    return _url(scheme, host, rule.paths[0].path or "/")


def _first_name(hosts: Iterable[str]) -> str | None:
    """Return the first host without a wildcard, which clients can use."""
    return next((host for host in hosts if not host.startswith("*.")), None)


def _url(scheme: str, host: str | None, path: str) -> str | None:
    literal = _LITERAL_PATH.match(path)
    return f"{scheme}://{url_host(host)}{literal.group() if literal else ''}".removesuffix("/") if host else None


def _wants_load_balancer(snapshot: Snapshot) -> bool:
    return service_options(snapshot.service).type == "LoadBalancer"
