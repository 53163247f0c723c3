from modelservice_operator.resources.http_route import build_http_route
from modelservice_operator.resources.ingress import build_ingress
from tests.support.builders import model_service


def test_route_without_hostnames_uses_those_of_the_gateway() -> None:
    service = model_service().with_spec(expose={"httpRoute": {"parentRefs": [{"name": "edge"}]}})
    route = build_http_route(service.parsed())
    assert route is not None
    assert "hostnames" not in route.body["spec"]
    assert build_ingress(service.parsed()) is None
