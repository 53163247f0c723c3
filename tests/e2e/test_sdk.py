"""The SDK on a real node: the notebook and the document run as they are, predictions sync and async."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

from modelservice import (
    AsyncModelService,
    Cluster,
    ModelService,
    NotReadyError,
    PredictionError,
    WaitTimeoutError,
    types,
)
from tests.e2e.gallery import python_server
from tests.support.builders import IMAGE
from tests.support.namespace import NamespaceFixture
from tests.support.notebook import run_notebook
from tests.support.python_examples import program_of

ROOT = Path(__file__).parents[2]
ECHO = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/close":
            self.close_connection = True
            return
        self.answer(b"ready", "text/plain")
    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])), self.headers["Content-Type"])
    def answer(self, body, kind):
        self.send_response(500 if self.path == "/fail" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def cluster(ns: NamespaceFixture) -> Iterator[Cluster]:
    """The administrator in the namespace of the test."""
    cluster = Cluster(kubeconfig=ns.cluster.kubeconfig, namespace=ns.namespace)
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def echo(cluster: Cluster) -> Iterator[ModelService]:
    """A server that returns the body of a POST."""
    manifest = python_server(ECHO).named("echo").manifest()
    manifest["metadata"].pop("namespace", None)
    service = ModelService.from_manifest(manifest, cluster=cluster)
    service.apply().wait(timeout=240)
    yield service
    service.delete(missing_ok=True)


@pytest.fixture
def context(ns: NamespaceFixture, tmp_path: Path) -> dict[str, str]:
    """The environment of a user whose current context has the namespace of the test."""
    path = tmp_path / "kubeconfig"
    path.write_text(ns.cluster.kubeconfig.read_text())
    ns.kubectl("config", "set-context", "--current", f"--namespace={ns.namespace}", f"--kubeconfig={path}")
    return {"KUBECONFIG": str(path)}


def test_notebook_deploys_predicts_and_deletes(ns: NamespaceFixture, context: dict[str, str], tmp_path: Path) -> None:
    outputs = run_notebook(ROOT / "examples" / "notebook" / "diabetes.ipynb", tmp_path, context)
    assert "All 1 replicas are available" in outputs[1] or "RolloutComplete" in outputs[1]
    assert "<caption>Ready: RolloutComplete" in outputs[2]
    assert "199.6" in outputs[3]
    assert [line.split(":")[0].strip() for line in outputs[4].splitlines()] == ["-0.09", "0.0", "0.17"]
    assert outputs[5].startswith("422 The model diabetes-notebook answered 422 Unprocessable")
    assert outputs[6] == "2 replicas\n"
    assert "diabetes-notebook" in outputs[7]
    assert outputs[8] == f"There is no ModelService diabetes-notebook in namespace {ns.namespace}.\n"
    assert ns.get("modelservices", "diabetes-notebook") is None


def test_document_runs(ns: NamespaceFixture, context: dict[str, str]) -> None:
    program = program_of(ROOT / "docs" / "sdk.md", with_server=True)
    assert ".predict(" in program
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env=os.environ | context, capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("200 0.")
    assert ns.get("modelservices", "diabetes-sdk") is None


def test_large_data_returns_unchanged(echo: ModelService) -> None:
    data = {"instances": [[number / 7, number] for number in range(40_000)]}
    assert echo.predict(data) == data
    raw = os.urandom(1_000_000)
    assert echo.predict(raw) == raw
    assert echo.predict() == "ready"


async def test_async_predictions_run_at_the_same_time(echo: ModelService, cluster: Cluster) -> None:
    service = await AsyncModelService.get(echo.name, cluster=cluster)
    answers = await asyncio.gather(*(service.predict({"number": number}) for number in range(8)))
    assert answers == [{"number": number} for number in range(8)]


def test_predictions_to_a_pod_are_timed(echo: ModelService, figure: Callable[[str], None]) -> None:
    seconds = []
    for number in range(20):
        started = time.perf_counter()
        assert echo.predict(number) == number
        seconds.append(time.perf_counter() - started)
    middle, worst = median(seconds) * 1000, max(seconds) * 1000
    figure(f"SDK: predict through a port-forward needs {middle:.0f} ms, the worst of 20 {worst:.0f} ms")


def test_error_of_the_model_is_an_exception(echo: ModelService) -> None:
    with pytest.raises(PredictionError, match=r"^The model echo answered 500 Internal Server Error: ready$") as found:
        echo.predict(path="/fail")
    assert (found.value.status, found.value.body) == (500, b"ready")
    assert echo.request(path="/fail").status == 500
    with pytest.raises(PredictionError, match="ended the connection before its answer was complete") as lost:
        echo.predict(path="/close")
    assert lost.value.status is None
    assert "command" not in str(lost.value)


def test_image_that_cannot_be_pulled_is_the_cause(cluster: Cluster) -> None:
    service = ModelService(
        "unpullable",
        image="127.0.0.1:1/none:1",
        resources=types.ResourceRequirements(requests={"cpu": "10m"}),
        cluster=cluster,
    )
    service.apply()
    try:
        with pytest.raises(WaitTimeoutError) as late:
            service.wait(timeout=20)
        assert late.value.reason.startswith("ImagePull")
        with pytest.raises(NotReadyError, match="is not ready: ImagePull"):
            service.predict({})
    finally:
        service.delete(timeout=120)


def test_image_of_the_example_is_that_of_the_document() -> None:
    assert IMAGE in program_of(ROOT / "docs" / "sdk.md", with_server=True)
