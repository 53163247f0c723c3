from typing import Any

import pytest

from modelservice_operator.resources.autoscaler import build_autoscaler
from modelservice_operator.resources.service import build_service, cluster_url
from tests.support.builders import AModelService, a_model_service


def test_the_service_has_its_own_port_and_finds_the_container_s_by_name() -> None:
    service = a_model_service().having(containerPort=5000, service={"port": 8000, "type": "NodePort"})
    spec = build_service(service.parsed()).body["spec"]
    assert spec["type"] == "NodePort"
    assert spec["ports"] == [{"name": "http", "port": 8000, "targetPort": "http", "protocol": "TCP"}]


def test_annotations_of_the_service_are_those_asked_for() -> None:
    service = a_model_service().having(service={"annotations": {"cloud.example.com/scheme": "internal"}})
    assert build_service(service.parsed()).body["metadata"]["annotations"]["cloud.example.com/scheme"] == "internal"


@pytest.mark.parametrize(("options", "url"), [({}, "http://iris.ml.svc"), ({"port": 8000}, "http://iris.ml.svc:8000")])
def test_the_url_names_the_port_unless_it_is_http_s_own(options: Any, url: str) -> None:
    assert cluster_url(a_model_service().having(service=options).parsed()) == url


def test_no_autoscaling_no_autoscaler() -> None:
    assert build_autoscaler(a_model_service().parsed()) is None


@pytest.mark.parametrize(
    ("service", "low", "high", "cpu"),
    [
        (a_model_service().autoscaled(high=5), 1, 5, 80),
        (a_model_service().having(replicas=2).autoscaled(high=5, cpu=40), 2, 5, 40),
        (a_model_service().having(replicas=4).autoscaled(low=2, high=5), 2, 5, 80),
    ],
)
def test_floor_ceiling_and_target(service: AModelService, low: int, high: int, cpu: int) -> None:
    desired = build_autoscaler(service.parsed())
    assert desired is not None
    spec = desired.body["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (low, high)
    [metric] = spec["metrics"]
    assert metric["containerResource"] == {
        "name": "cpu",
        "container": "model",
        "target": {"type": "Utilization", "averageUtilization": cpu},
    }
