from typing import Any

import pytest

from modelservice_operator.resources.ports import service_port
from modelservice_operator.resources.service import (
    build_service,
    cluster_url,
    holds_node_port,
    http_url,
    without_node_ports,
)
from tests.support.builders import model_service


def test_service_targets_the_container_port_by_name() -> None:
    service = model_service().with_spec(containerPort=5000, service={"port": 8000, "type": "NodePort"})
    spec = build_service(service.parsed()).body["spec"]
    assert spec["type"] == "NodePort"
    assert spec["ports"] == [{"name": "http", "port": 8000, "targetPort": "http", "protocol": "TCP"}]


def test_service_has_the_configured_annotations() -> None:
    service = model_service().with_spec(service={"annotations": {"cloud.example.com/scheme": "internal"}})
    assert build_service(service.parsed()).body["metadata"]["annotations"]["cloud.example.com/scheme"] == "internal"


@pytest.mark.parametrize(("options", "url"), [({}, "http://iris.ml.svc"), ({"port": 8000}, "http://iris.ml.svc:8000")])
def test_cluster_url_omits_the_default_port(options: Any, url: str) -> None:
    assert cluster_url(model_service().with_spec(service=options).parsed()) == url


PORTS = [{"name": "grpc", "containerPort": 8001, "servicePort": 9001}]


@pytest.mark.parametrize(("kind", "numbers"), [("ClusterIP", [8000, 9001]), ("Headless", [8080, 8001])])
def test_headless_service_has_the_ports_of_the_container(kind: str, numbers: list[int]) -> None:
    service = model_service().with_spec(service={"type": kind, "port": 8000}, ports=PORTS).parsed()
    assert [port["port"] for port in build_service(service).body["spec"]["ports"]] == numbers
    assert [service_port(service), service_port(service, "grpc")] == numbers


def test_own_labels_of_the_operator_take_precedence() -> None:
    labels = {"team": "flowers", "app.kubernetes.io/instance": "another"}
    metadata = build_service(model_service().with_spec(service={"labels": labels}).parsed()).body["metadata"]
    assert (metadata["labels"]["team"], metadata["labels"]["app.kubernetes.io/instance"]) == ("flowers", "iris")


def test_default_values_are_not_rendered() -> None:
    options = {"publishNotReadyAddresses": False, "ipFamilies": [], "loadBalancerSourceRanges": []}
    with_defaults = model_service().with_spec(service=options).parsed()
    assert build_service(with_defaults).body == build_service(model_service().parsed()).body


def test_url_follows_name_and_address() -> None:
    service = model_service().with_spec(service={"name": "front"}, ports=PORTS).parsed()
    assert cluster_url(service) == "http://front.ml.svc"
    assert http_url(service, "2001:db8::1") == "http://[2001:db8::1]"


def test_holds_node_port() -> None:
    bodies = [{"spec": {"ports": [{"nodePort": number}, {}]}} for number in (30080, 30081)]
    assert holds_node_port(bodies[0], bodies[0])
    assert not holds_node_port(bodies[0], bodies[1])
    assert not holds_node_port({"spec": {"ports": [{}]}}, {"spec": {"ports": [{}]}})


def test_service_without_node_ports_has_another_hash() -> None:
    options, ports = {"type": "NodePort", "nodePort": 30180}, [PORTS[0] | {"nodePort": 30181}]
    desired = build_service(model_service().with_spec(service=options, ports=ports).parsed())
    reduced = without_node_ports(desired)
    assert [port.get("nodePort") for port in desired.body["spec"]["ports"]] == [30180, 30181]
    assert [port.get("nodePort") for port in reduced.body["spec"]["ports"]] == [None, None]
    assert not desired.was_applied_to(reduced.body)
    assert desired.first_difference(reduced.body) is not None
