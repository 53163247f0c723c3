"""The command line on a real node: predictions through a port-forward, logs, use, and fixes that work."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modelservice_cli.errors import ExitCode
from tests.e2e.gallery import CASES, SERVER, python_server
from tests.support.builders import IMAGE, ModelServiceBuilder, model_service
from tests.support.cli import Run, runner
from tests.support.namespace import NamespaceFixture

SMALL_RESOURCES = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}
DIABETES = (
    model_service()
    .named("diabetes")
    .with_spec(
        image=IMAGE,
        imagePullPolicy="IfNotPresent",
        resources=SMALL_RESOURCES,
        probes={"readiness": {"httpGet": {"path": "/isAlive"}, "periodSeconds": 1}},
    )
)
SLOW_ANSWER = """
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(60)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Type", self.headers["Content-Type"])
        self.end_headers()
        self.wfile.write(body)
print("listening on port 8080", flush=True)
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
APPLIED = {"memory": "OOMKilled", "read-only": "CrashLoop"}
"""Cases of the gallery that `why --apply` corrects, and their reasons."""


@pytest.fixture
def run(ns: NamespaceFixture, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(capsys, kubeconfig=ns.cluster.kubeconfig, namespace=ns.namespace)


@pytest.fixture(scope="module")
def diabetes(ns: NamespaceFixture) -> Iterator[NamespaceFixture]:
    """The example, ready."""
    ns.apply(DIABETES)
    ns.wait_ready("diabetes", within=120)
    yield ns
    ns.kubectl("delete", "msvc", "diabetes", "--wait=false")


@pytest.fixture(scope="module")
def echo(ns: NamespaceFixture) -> Iterator[NamespaceFixture]:
    """A server that returns the body of a POST, and needs a minute for /slow."""
    apply(ns, python_server(SLOW_ANSWER).named("echo"))
    ns.wait_ready("echo", within=120)
    yield ns
    ns.kubectl("delete", "msvc", "echo", "--wait=false")


def apply(ns: NamespaceFixture, service: ModelServiceBuilder) -> None:
    ns.apply(service)


@pytest.mark.usefixtures("diabetes")
def test_prediction_through_a_port_forward(run: Run) -> None:
    found = run("predict", "diabetes", "/prediction/", "--param", "f=0.05")
    assert found.code == 0
    assert json.loads(found.out)["prediction"] == pytest.approx(199.6, abs=0.1)
    assert re.match(r"200 OK, [\d.]+ ms, pod diabetes-\w+-\w+\n$", found.err)


@pytest.mark.usefixtures("diabetes")
def test_repeated_predictions_have_percentiles(run: Run, figure: Callable[[str], None]) -> None:
    found = run("predict", "diabetes", "/prediction/", "-p", "f=0.05", "--repeat", "50")
    assert found.code == 0
    [line] = [line for line in found.err.splitlines() if line.startswith("50 requests: p50 ")]
    figure(f"predict through a port-forward: {line}")
    assert "Times include the way through the API server" in found.err


@pytest.mark.usefixtures("diabetes")
def test_rejected_prediction_has_exit_code_1(run: Run) -> None:
    found = run("predict", "diabetes", "/prediction/", "-p", "f=thin", "-o", "json")
    assert found.code == ExitCode.NEGATIVE
    assert json.loads(found.out)["status"] == 422


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("size", [0, 1, 1 << 16, 5 << 20], ids=["empty", "1 byte", "64 KiB", "5 MiB"])
def test_body_arrives_and_returns_unchanged(run: Run, tmp_path: Any, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    (tmp_path / "body").write_bytes(body)
    found = run("predict", "echo", "/", "--data", f"@{tmp_path / 'body'}", "-o", "json", "--repeat", "2")
    assert found.code == 0
    document = json.loads(found.out)
    assert document["status"] == 201
    assert document["headers"]["X-Type"] == "application/octet-stream"
    received = document.get("bodyBase64") or document["body"]
    import base64  # noqa: PLC0415

    assert (base64.b64decode(received) if "bodyBase64" in document else received.encode()) == body


@pytest.mark.usefixtures("echo")
def test_json_data_has_its_content_type(run: Run) -> None:
    found = run("predict", "echo", "/", "--data", '{"instances": [[1, 2]]}', "-o", "json")
    document = json.loads(found.out)
    assert document["body"] == {"instances": [[1, 2]]}
    assert document["headers"]["X-Type"] == "application/json"


def test_pod_that_is_deleted_is_one_sentence(echo: NamespaceFixture, run: Run) -> None:
    [pod] = echo.kubectl("get", "pods", "-l", "app.kubernetes.io/instance=echo", "-o", "name").split()

    def delete() -> None:
        time.sleep(2)
        echo.kubectl("delete", pod, "--grace-period=0", "--force")

    thread = threading.Thread(target=delete)
    thread.start()
    found = run("predict", "echo", "/slow")
    thread.join()
    assert found.code == ExitCode.NEGATIVE
    assert found.err.count("\n") == 1
    assert found.err.startswith(f"modelservice: Pod {pod.removeprefix('pod/')} ended the connection before its answer")
    echo.wait_ready("echo", within=120)
    gone = run("predict", "echo", "/", "--pod", pod.removeprefix("pod/"))
    assert gone.code in {ExitCode.NEGATIVE, ExitCode.NOT_FOUND}
    assert gone.err.count("\n") == 1


@pytest.mark.usefixtures("echo")
def test_closed_port_and_slow_answer_are_one_sentence(run: Run) -> None:
    closed = run("predict", "echo", "/", "--port", "9999")
    assert closed.code == ExitCode.NEGATIVE
    assert re.match(r"modelservice: Nothing listens on port 9999 of pod echo-\S+ in namespace \S+: check", closed.err)
    slow = run("predict", "echo", "/slow", "--timeout", "1s")
    assert slow.code == ExitCode.NEGATIVE
    assert "did not answer within 1 s" in slow.err


def test_user_without_port_forward_is_one_sentence(echo: NamespaceFixture, capsys: Any) -> None:
    name = f"reader-{echo.namespace}"
    resources = "--resource=modelservices.modelservice.dev,pods,deployments.apps,replicasets.apps,services"
    echo.kubectl("create", "role", name, "--verb=get,list", resources)
    echo.kubectl("create", "rolebinding", name, f"--role={name}", f"--user={name}")
    user = runner(capsys, kubeconfig=echo.cluster.user_kubeconfig(name), namespace=echo.namespace)
    found = user("predict", "echo")
    assert found.code == ExitCode.FORBIDDEN
    assert f'User "{name}" cannot ' in found.err
    assert "pods/portforward" in found.err
    admin = runner(capsys, kubeconfig=echo.cluster.kubeconfig, namespace=echo.namespace)
    assert admin("predict", "echo", "--as", name).code == ExitCode.FORBIDDEN, "port-forwards are impersonated too"


@pytest.mark.usefixtures("echo")
def test_logs_of_the_model_container(run: Run) -> None:
    assert "listening on port 8080\n" in run("logs", "echo", "--tail", "5").out
    assert run("logs", "echo", "--container", "nope").err.endswith("has no container nope; it has: model.\n")
    assert "has no loader with a log" in run("logs", "echo", "--loader").err


def test_followed_log_prints_new_lines(ns: NamespaceFixture, run: Run, tmp_path: Any) -> None:
    code = "import time\nfor number in range(10_000): print('line', number, flush=True); time.sleep(0.2)"
    apply(ns, python_server(code).named("ticking"))
    output = tmp_path / "out"
    command = [sys.executable, "-m", "modelservice_cli", "logs", "ticking", "--follow", "-n", ns.namespace]
    ns.wait(lambda: "line 1" in run("logs", "ticking").out, "a log", name="ticking", within=120)
    with (
        output.open("w") as stdout,
        subprocess.Popen([*command, "--kubeconfig", str(ns.cluster.kubeconfig)], stdout=stdout) as process,
    ):
        ns.wait(lambda: output.read_text().count("line") > 20, "followed lines", name="ticking")
        process.terminate()
    ns.kubectl("delete", "msvc", "ticking", "--wait=false")


def test_previous_log_of_a_crash(ns: NamespaceFixture, run: Run) -> None:
    apply(ns, python_server("import serving_that_is_not_there").named("crash"))
    ns.wait(lambda: ns.condition("crash").get("reason") == "CrashLoop", "CrashLoop", name="crash", within=120)
    ns.wait(lambda: "ModuleNotFoundError" in run("logs", "crash", "--previous").out, "a log", name="crash")
    status = run("status", "crash")
    assert status.code == ExitCode.NEGATIVE
    assert re.search(r"last log line .*ModuleNotFoundError: No module named 'serving_that_is_not_there'", status.out)
    why = run("why", "crash").out
    assert "log" in why
    assert f"modelservice logs crash -n {ns.namespace} --previous" in why
    ns.kubectl("delete", "msvc", "crash", "--wait=false")


@pytest.mark.parametrize("name", sorted(APPLIED))
def test_applied_fix_makes_the_service_ready(ns: NamespaceFixture, run: Run, name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    apply(ns, case.failing.named(name))
    ns.wait(lambda: ns.condition(name).get("reason") == APPLIED[name], APPLIED[name], name=name, within=120)
    found = run("why", name, "--apply")
    assert found.code == 0, found.err
    assert "Applied: " in found.out
    waited = run("wait", name, "--timeout=3m")
    for _ in range(3):  # a limit may need to be doubled more than once
        if waited.code == 0 or run("why", name, "--apply").code != 0:
            break
        waited = run("wait", name, "--timeout=1m")
    assert waited.code == 0, waited.err
    ns.kubectl("delete", "msvc", name, "--wait=false")


def test_port_of_the_log_is_applied(ns: NamespaceFixture, run: Run) -> None:
    code = (
        "import http.server as h; server = h.ThreadingHTTPServer(('', 5000), h.SimpleHTTPRequestHandler);"
        " print('Listening at: http://0.0.0.0:5000', flush=True); server.serve_forever()"
    )
    probes = {"startup": {"tcpSocket": {}, "periodSeconds": 1, "failureThreshold": 600}}
    apply(ns, python_server(code, probes=probes).named("port"))

    def is_reported() -> bool:
        return "nothing listens on port 8080" in str(ns.condition("port").get("message"))

    ns.wait(is_reported, "a closed port", name="port", within=120)
    found = run("why", "port", "--apply")
    assert '"containerPort": 5000' in found.out
    assert found.code == 0, found.err
    assert run("wait", "port", "--timeout=2m").code == 0
    ns.kubectl("delete", "msvc", "port", "--wait=false")


def test_top_shows_the_use_of_the_pods(diabetes: NamespaceFixture, run: Run) -> None:
    def has_use() -> bool:
        found = run("top", "diabetes", "-o", "json")
        return found.code == 0 and json.loads(found.out)[0]["pods"] == 1

    diabetes.wait(has_use, "metrics", name="diabetes", within=120)
    [entry] = json.loads(run("top", "diabetes", "-o", "json").out)
    assert entry["requests"] == {"cpu": "50m", "memory": "128Mi"}
    assert set(entry["largest"]) == {"cpu", "memory"}
    table = run("top", "diabetes")
    assert table.out.splitlines()[0].startswith("NAME")


def test_url_of_a_service_is_called(diabetes: NamespaceFixture, run: Run) -> None:
    """By a URL that is reachable from here: a port-forward of kubectl."""
    from tests.support.forwarding import port_forward  # noqa: PLC0415

    with port_forward(diabetes.cluster, "service/diabetes", 80, namespace=diabetes.namespace) as address:
        found = run("predict", "diabetes", "/prediction/", "-p", "f=0.05", "--url", address)
    assert found.code == 0
    assert json.loads(found.out)["prediction"] == pytest.approx(199.6, abs=0.1)
    assert found.err.strip().endswith(address)


def test_service_of_the_gallery_starts_as_it_is(ns: NamespaceFixture, run: Run) -> None:
    apply(ns, SERVER.named("plain"))
    assert run("wait", "plain", "--timeout=2m").code == 0
    ns.kubectl("delete", "msvc", "plain", "--wait=false")
