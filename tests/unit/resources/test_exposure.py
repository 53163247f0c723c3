from typing import Any

import pytest

from modelservice_operator.resources.http_route import build_http_route
from modelservice_operator.resources.ingress import build_ingress
from modelservice_operator.resources.volumes import build_volume
from tests.support.builders import model_service


def test_an_ingress_without_a_certificate_has_no_tls() -> None:
    service = model_service().with_spec(expose={"ingress": {"host": "iris.example.com", "className": "nginx"}})
    ingress = build_ingress(service.parsed())
    assert ingress is not None
    assert "tls" not in ingress.body["spec"]
    assert build_http_route(service.parsed()) is None


def test_a_route_without_host_names_takes_those_of_its_gateway() -> None:
    service = model_service().with_spec(expose={"httpRoute": {"parentRefs": [{"name": "edge"}]}})
    route = build_http_route(service.parsed())
    assert route is not None
    assert "hostnames" not in route.body["spec"]
    assert build_ingress(service.parsed()) is None


@pytest.mark.parametrize(
    ("options", "volume"),
    [
        ({}, {}),
        ({"medium": "Memory"}, {"medium": "Memory"}),
        ({"sizeLimit": "1Gi"}, {"sizeLimit": "1Gi"}),
    ],
)
def test_an_empty_folder_has_what_was_asked_for(options: dict[str, Any], volume: dict[str, Any]) -> None:
    mount = {"name": "scratch", "mountPath": "/scratch", "emptyDir": options}
    mounts = model_service().with_spec(mounts=[mount]).parsed().spec.mounts
    assert mounts is not None
    assert build_volume(mounts[0]) == {"name": "scratch", "emptyDir": volume}
