"""The condition Exposed and the URL, from what was configured and what is there."""

from typing import Any

import pytest

from modelservice_operator.errors import ApiStatus, InvalidRequestError, StatusCause
from modelservice_operator.status.exposure import exposed_condition, outside_url
from modelservice_operator.status.policies import explain_error
from modelservice_operator.status.rejections import rejection_advice
from modelservice_operator.status.snapshot import Snapshot, load_balancer_address, route_parents
from tests.support.builders import model_service

ADDRESS = "198.51.100.7"
BALANCED = {"service": {"type": "LoadBalancer"}}
ROUTE = {"expose": {"httpRoute": {"parentRefs": [{"name": "edge"}]}}}


def snapshot(spec: dict[str, Any], **changes: Any) -> Snapshot:
    return Snapshot(service=model_service().with_spec(**spec).parsed(), **changes)


def parent(*conditions: tuple[str, str, str]) -> dict[str, Any]:
    entries = [{"type": kind, "status": status, "message": text} for kind, status, text in conditions]
    return {"parentRef": {"name": "edge"}, "conditions": entries}


def reported(found: Snapshot) -> tuple[bool, str] | None:
    condition = exposed_condition(found)
    return None if condition is None else (condition.status, str(condition.explanation.reason))


def ingress(**options: Any) -> dict[str, Any]:
    return {"expose": {"ingress": options}}


ACCEPTED, REFUSED = ("Accepted", "True", ""), ("Accepted", "False", "no listener matches")
UNRESOLVED = ("ResolvedRefs", "False", "no such Service")


@pytest.mark.parametrize(
    ("spec", "changes", "expected"),
    [
        ({}, {}, None),
        ({"service": {"type": "NodePort"}}, {}, None),
        (BALANCED, {}, (False, "AddressPending")),
        (BALANCED, {"load_balancer": ADDRESS}, (True, "AddressAssigned")),
        (ingress(), {}, (False, "AddressPending")),
        (ingress(host="a.example.com"), {"ingress_address": ADDRESS}, (True, "AddressAssigned")),
        (BALANCED | ingress(), {"ingress_address": ADDRESS}, (False, "AddressPending")),
        (BALANCED | ingress(), {"load_balancer": ADDRESS}, (False, "AddressPending")),
        (ROUTE, {}, (False, "RoutePending")),
        (ROUTE, {"route_parents": (parent(ACCEPTED),)}, (True, "RouteAccepted")),
        (ROUTE, {"route_parents": (parent(ACCEPTED), parent(REFUSED))}, (False, "RouteNotAccepted")),
        (ROUTE, {"route_parents": (parent(ACCEPTED, UNRESOLVED),)}, (False, "RouteNotAccepted")),
        (ROUTE, {"route_parents": ({},)}, (True, "RouteAccepted")),
    ],
)
def test_exposed(spec: dict[str, Any], changes: dict[str, Any], expected: tuple[bool, str] | None) -> None:
    assert reported(snapshot(spec, **changes)) == expected


def test_message_of_the_gateway_is_quoted() -> None:
    condition = exposed_condition(snapshot(ROUTE, route_parents=(parent(UNRESOLVED),)))
    assert condition is not None
    assert condition.explanation.message == "HTTPRoute iris is not accepted by Gateway edge: no such Service."


RULES = [{"host": "a.example.com", "paths": [{"path": "/v1(/|$)(.*)", "pathType": "ImplementationSpecific"}]}]


@pytest.mark.parametrize(
    ("spec", "changes", "url"),
    [
        ({}, {}, "http://iris.ml.svc"),
        ({"service": {"type": "NodePort", "name": "front"}}, {}, "http://front.ml.svc"),
        (BALANCED, {}, None),
        ({"service": {"type": "LoadBalancer", "port": 8000}}, {"load_balancer": ADDRESS}, f"http://{ADDRESS}:8000"),
        (BALANCED, {"load_balancer": "2001:db8::1"}, "http://[2001:db8::1]"),
        (ingress(), {}, None),
        (ingress(path="/v1"), {"ingress_address": ADDRESS}, f"http://{ADDRESS}/v1"),
        (ingress(path="/v1"), {"ingress_address": "2001:db8::1"}, "http://[2001:db8::1]/v1"),
        (ingress(host="a.example.com"), {}, "http://a.example.com"),
        (ingress(host="*.example.com"), {}, None),
        (ingress(rules=RULES), {}, "http://a.example.com/v1"),
        (ingress(rules=RULES, tls=[{}]), {}, "https://a.example.com/v1"),
        (ingress(rules=RULES, tls=[{"hosts": ["b.example.com"]}]), {}, "http://a.example.com/v1"),
        (ingress(rules=RULES, tlsSecretName="a"), {}, "https://a.example.com/v1"),
        (ROUTE, {}, None),
        ({"expose": {"httpRoute": {"parentRefs": [{"name": "edge"}], "hostnames": ["*.a", "b.a"]}}}, {}, "http://b.a"),
    ],
)
def test_outside_url(spec: dict[str, Any], changes: dict[str, Any], url: str | None) -> None:
    assert outside_url(snapshot(spec, **changes)) == url


def test_addresses_are_read_of_any_status() -> None:
    for status in (None, {}, {"loadBalancer": None}, {"loadBalancer": {"ingress": None}}):
        assert load_balancer_address({"status": status}) is None
        assert route_parents({"status": status}) == ()


@pytest.mark.parametrize(
    ("field", "advice"),
    [
        ("spec.ports[0].nodePort", "Set service.nodePort to a free port, or remove it to have one assigned."),
        ("spec.ports[2].nodePort", "Set ports[1].nodePort to a free port, or remove it to have one assigned."),
        ("spec.ipFamilyPolicy", "Change service.ipFamilyPolicy."),
        ("spec.ipFamilies[0]", "Change service.ipFamilies."),
        ("spec.clusterIPs", ""),
    ],
)
def test_rejected_service_names_the_field(field: str, advice: str) -> None:
    status = ApiStatus(422, kind="Service", causes=(StatusCause("FieldValueInvalid", "taken", field),))
    error = InvalidRequestError("The API server answered 422: taken.", status=status)
    assert rejection_advice(error) == advice
    assert explain_error(error).message == f"The API server answered 422: taken. {advice}".strip()


def test_node_port_out_of_range_names_the_range() -> None:
    text = "provided port is not in the valid range. The range of valid ports is 30000-32767"
    status = ApiStatus(422, kind="Service", causes=(StatusCause("FieldValueInvalid", text, "spec.ports[0].nodePort"),))
    advice = "Set service.nodePort to a port in that range, or remove it to have one assigned."
    assert rejection_advice(InvalidRequestError(text, status=status)) == advice
