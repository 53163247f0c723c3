import gzip

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from modelservice_operator.metrics.exposition import expose

PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
"""Header Accept of Prometheus 2.42."""


def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("things_total", "Things.", ["kind"], registry=registry).labels("a").inc(3)
    return registry


def test_text_format_is_the_default() -> None:
    found = expose("", "", registry=registry())
    assert found.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    [family] = parse_text(found.body.decode())
    assert [(sample.labels, sample.value) for sample in family.samples] == [({"kind": "a"}, 3.0)]


def test_openmetrics_is_served_on_request() -> None:
    found = expose(PROMETHEUS, "", registry=registry())
    assert found.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    [family] = parse_openmetrics(found.body.decode())  # type: ignore[no-untyped-call]
    assert (family.name, family.samples[0].value) == ("things", 3.0)


def test_version_of_the_client_is_not_echoed() -> None:
    found = expose("application/openmetrics-text; version=x\r\nSet-Cookie: a", "", registry=registry())
    assert "\n" not in found.headers["Content-Type"]


def test_response_is_compressed_only_on_request() -> None:
    plain = expose("", "identity", registry=registry())
    compressed = expose("", "deflate, gzip;q=1.0", registry=registry())
    assert "Content-Encoding" not in plain.headers
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(compressed.body) == plain.body
