"""Tracing is off by default, and loads nothing then."""

import subprocess
import sys

import pytest

from modelservice_operator import tracing
from modelservice_operator.errors import TracingUnavailableError

IMPORTED = """
import sys
sys.modules["kubernetes"] = None  # as in the image; kopf would import it, and it requests
import modelservice_operator.cli.run, modelservice_operator.manager.manager
print(sorted(name for name in sys.modules if name.partition(".")[0] in {"opentelemetry", "requests", "google"}))
"""


def test_nothing_of_the_extra_is_imported_by_default() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_spans_do_nothing_while_tracing_is_off() -> None:
    trace = tracing.ReconcileTrace("ml", "iris")
    with tracing.request_span("GET", "https://server", "/api") as span:
        assert span.headers == ()
    trace.end()
    assert tracing.current_ids() == {}


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(TracingUnavailableError, match="extra `tracing`"):
        tracing.start("0.1.0")


def test_invalid_variable_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    with pytest.raises(TracingUnavailableError, match="OTEL_"):
        tracing.start("0.1.0")


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/api/v1/namespaces/ml/services/iris", "/api/v1/namespaces/{namespace}/services/{name}"),
        ("/apis/apps/v1/namespaces/ml/deployments", "/apis/apps/v1/namespaces/{namespace}/deployments"),
        (
            "/apis/apps/v1/namespaces/ml/deployments/iris/scale",
            "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale",
        ),
        ("/apis/apps/v1/deployments", "/apis/apps/v1/deployments"),
    ],
)
def test_path_template_has_no_names(path: str, template: str) -> None:
    assert tracing.path_template(path) == template
