from typing import Any

import pytest

from modelservice_operator.resources.autoscaler import build_autoscaler
from modelservice_operator.resources.service import build_service, cluster_url
from tests.support.builders import ModelServiceBuilder, model_service


def test_the_service_has_its_own_port_and_finds_the_container_s_by_name() -> None:
    service = model_service().with_spec(containerPort=5000, service={"port": 8000, "type": "NodePort"})
    spec = build_service(service.parsed()).body["spec"]
    assert spec["type"] == "NodePort"
    assert spec["ports"] == [{"name": "http", "port": 8000, "targetPort": "http", "protocol": "TCP"}]


def test_annotations_of_the_service_are_those_asked_for() -> None:
    service = model_service().with_spec(service={"annotations": {"cloud.example.com/scheme": "internal"}})
    assert build_service(service.parsed()).body["metadata"]["annotations"]["cloud.example.com/scheme"] == "internal"


@pytest.mark.parametrize(("options", "url"), [({}, "http://iris.ml.svc"), ({"port": 8000}, "http://iris.ml.svc:8000")])
def test_the_url_names_the_port_unless_it_is_http_s_own(options: Any, url: str) -> None:
    assert cluster_url(model_service().with_spec(service=options).parsed()) == url


def test_no_autoscaling_no_autoscaler() -> None:
    assert build_autoscaler(model_service().parsed()) is None


@pytest.mark.parametrize(
    ("service", "low", "high", "cpu"),
    [
        (model_service().autoscaled(max_replicas=5), 1, 5, 80),
        (model_service().with_spec(replicas=2).autoscaled(max_replicas=5, cpu=40), 2, 5, 40),
        (model_service().with_spec(replicas=4).autoscaled(min_replicas=2, max_replicas=5), 2, 5, 80),
    ],
)
def test_floor_ceiling_and_target(service: ModelServiceBuilder, low: int, high: int, cpu: int) -> None:
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
