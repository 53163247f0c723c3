from typing import Any

from modelservice_operator.resources.http_route import build_http_route
from modelservice_operator.resources.ingress import build_ingress
from tests.support.builders import model_service


def test_ingress_without_certificate_has_no_tls() -> None:
    service = model_service().with_spec(expose={"ingress": {"host": "iris.example.com", "className": "nginx"}})
    ingress = build_ingress(service.parsed())
    assert ingress is not None
    assert "tls" not in ingress.body["spec"]
    assert build_http_route(service.parsed()) is None


def test_certificate_of_all_hosts_covers_every_rule() -> None:
    rules: list[dict[str, Any]] = [
        {"host": host, "paths": [{}]} for host in ("a.example.com", "b.example.com", "a.example.com")
    ]
    service = model_service().with_spec(expose={"ingress": {"rules": rules, "tlsSecretName": "tls"}})
    ingress = build_ingress(service.parsed())
    assert ingress is not None
    assert ingress.body["spec"]["tls"] == [{"hosts": ["a.example.com", "b.example.com"], "secretName": "tls"}]
