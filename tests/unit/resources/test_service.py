from typing import Any

import pytest

from modelservice_operator.resources.service import build_service, cluster_url
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
