from modelservice_operator.resources.http_route import build_http_route
from modelservice_operator.resources.ingress import build_ingress
from tests.support.builders import model_service


def test_ingress_without_certificate_has_no_tls() -> None:
    service = model_service().with_spec(expose={"ingress": {"host": "iris.example.com", "className": "nginx"}})
    ingress = build_ingress(service.parsed())
    assert ingress is not None
    assert "tls" not in ingress.body["spec"]
    assert build_http_route(service.parsed()) is None
