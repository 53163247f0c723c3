"""Commands that read, against a real API server with a running operator."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from modelservice_cli.errors import ExitCode
from tests.environment.cluster.wait import wait_until
from tests.support.builders import model_service
from tests.support.cli import Run, runner
from tests.support.namespace import NamespaceFixture

READY = model_service().named("ready").with_spec(replicas=2)
HOMELESS = model_service().named("homeless").with_spec(nodeSelector={"example.com/none": "b"})


@pytest.fixture
def run(ns: NamespaceFixture, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(capsys, kubeconfig=ns.cluster.kubeconfig, namespace=ns.namespace)


@pytest.fixture(scope="module")
def services(ns: NamespaceFixture) -> NamespaceFixture:
    """A ModelService that is ready, and one whose pods fit no node."""
    for service in (READY, HOMELESS):
        ns.apply(service)
    ns.wait_ready("ready")
    ns.wait(lambda: ns.condition("homeless").get("reason") == "Unschedulable", "unschedulable pods", name="homeless")
    return ns


@pytest.mark.usefixtures("services")
def test_list_shows_each_reason(run: Run) -> None:
    found = run("list")
    assert found.code == 0
    lines = found.out.splitlines()
    assert lines[0].split() == ["NAME", "READY", "REASON", "REPLICAS", "AGE"]
    rows = {line.split()[0]: line.split()[1:4] for line in lines[1:]}
    assert rows == {
        "homeless": ["False", "Unschedulable", "0/1"],
        "ready": ["True", "RolloutComplete", "2/2"],
    }
    assert "\x1b" not in found.out, "no colours where it is not a terminal"


def test_list_of_all_namespaces_has_the_namespace(services: NamespaceFixture, run: Run) -> None:
    found = run("list", "-A", "-o", "wide")
    assert found.out.splitlines()[0].split()[:2] == ["NAMESPACE", "NAME"]
    [line] = [
        line for line in found.out.splitlines() if line.startswith(f"{services.namespace} ") and " homeless " in line
    ]
    assert "cannot be scheduled" in line


def test_list_has_the_formats_of_kubectl(services: NamespaceFixture, run: Run) -> None:
    assert run("list", "-o", "name").out.split() == [
        "modelservice.modelservice.dev/homeless",
        "modelservice.modelservice.dev/ready",
    ]
    document = json.loads(run("list", "-o", "json").out)
    assert document["kind"] == "List"
    assert document["items"] == services.cluster.get("msvc", "-n", services.namespace)["items"]
    assert "kind: List" in run("list", "-o", "yaml").out


def test_list_without_matches_is_a_note(services: NamespaceFixture, run: Run) -> None:
    found = run("list", "-l", "team=none")
    assert (found.code, found.out) == (0, "")
    assert found.err == f"No ModelServices in namespace {services.namespace}.\n"


def test_status_shows_children_revisions_and_pods(services: NamespaceFixture, run: Run) -> None:
    found = run("status", "ready")
    assert found.code == 0
    assert re.search(rf"^ModelService {services.namespace}/ready  Ready=True, RolloutComplete, 2/2 replicas", found.out)
    assert re.search(r"Deployment ready +2 of 2 available", found.out)
    assert re.search(r"Revision 1 ready-\w+ +current, 2 of 2 pods ready", found.out)
    assert len(re.findall(r"Pod ready-\w+-\w+ +Running, 1/1 ready, .* on ", found.out)) == 2
    assert re.search(r"Service ready +ClusterIP, \S+, http:80", found.out)


def test_status_of_a_failing_service_has_the_cause(services: NamespaceFixture, run: Run) -> None:
    found = run("status", "homeless")
    assert found.code == ExitCode.NEGATIVE
    assert re.search(r"cause +Unschedulable.*: The only pod: cannot be scheduled: ", found.out)
    assert re.search(r"Pod homeless-\w+-\w+ +Pending", found.out)
    tree = json.loads(run("status", "homeless", "-o", "json").out)
    assert (tree["kind"], tree["name"]) == ("ModelService", f"{services.namespace}/homeless")
    assert [child["kind"] for child in tree["children"]] == ["Deployment", "Service"]


def test_why_has_cause_evidence_and_next_step(services: NamespaceFixture, run: Run) -> None:
    found = run("why", "homeless")
    assert found.code == ExitCode.NEGATIVE
    assert found.out.startswith("Unschedulable")
    assert re.search(r"pod +homeless-\w+-\w+ is Pending", found.out)
    assert f"modelservice events homeless -n {services.namespace}" in found.out
    document = json.loads(run("why", "homeless", "-o", "json").out)
    assert document["reason"] == "Unschedulable"
    assert document["fixes"][0]["safe"] is False


@pytest.mark.usefixtures("services")
def test_why_of_a_ready_service_has_nothing_to_explain(run: Run) -> None:
    found = run("why", "ready")
    assert (found.code, found.out) == (0, "ready is ready: 2/2 replicas. There is nothing to explain.\n")


def test_why_does_not_apply_what_is_not_safe(services: NamespaceFixture, run: Run) -> None:
    before = services.get_model_service("homeless")["metadata"]["generation"]
    found = run("why", "homeless", "--apply")
    assert found.code == ExitCode.NEGATIVE
    assert found.err.startswith("modelservice: Nothing was changed, because it would not be safe: ")
    assert services.get_model_service("homeless")["metadata"]["generation"] == before


def test_url_is_that_of_the_status(services: NamespaceFixture, run: Run) -> None:
    assert run("url", "ready").out == f"http://ready.{services.namespace}.svc\n"
    services.apply(model_service().named("outside").with_spec(service={"type": "LoadBalancer"}))
    services.wait(lambda: services.condition("outside", "Exposed").get("reason"), "Exposed", name="outside")
    found = run("url", "outside")
    assert found.code == ExitCode.NEGATIVE
    assert found.err.startswith("modelservice: ModelService outside has no URL: ")
    assert run("url", "outside", "--internal").out == f"http://outside.{services.namespace}.svc\n"
    services.kubectl("delete", "msvc", "outside")


def test_events_are_those_of_the_service_and_its_pods(services: NamespaceFixture, run: Run) -> None:
    services.wait(lambda: "FailedScheduling" in run("events", "homeless").out, "Events", name="homeless")
    found = run("events", "homeless")
    assert "ready-" not in found.out
    assert re.search(r"Warning +FailedScheduling +Pod/homeless-\w+-\w+", found.out)
    only = run("events", "homeless", "--warnings").out.splitlines()[1:]
    assert only
    assert all(" Warning " in line for line in only)


@pytest.mark.usefixtures("services")
def test_predict_without_a_ready_replica_is_one_sentence(run: Run) -> None:
    found = run("predict", "homeless", "/")
    assert found.code == ExitCode.NEGATIVE
    assert found.err == (
        "modelservice: No replica of homeless is ready (Unschedulable): `modelservice why homeless` explains it.\n"
    )


def test_watch_prints_a_change(services: NamespaceFixture) -> None:
    command = [sys.executable, "-m", "modelservice_cli", "list", "--watch", "-n", services.namespace]
    with subprocess.Popen(
        command,
        env=os.environ | {"KUBECONFIG": str(services.cluster.kubeconfig)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        try:
            while not any(line.startswith("ready ") for line in lines):
                lines.append(process.stdout.readline())
            services.apply(model_service().named("late").suspended())
            while not any(re.match(r"late +True +ScaledToZero +0/0", line) for line in lines):
                lines.append(process.stdout.readline())
            services.kubectl("delete", "msvc", "late")
            while not any(re.match(r"late +- +Deleted", line) for line in lines):
                lines.append(process.stdout.readline())
        finally:
            process.terminate()
    assert lines[0].split() == ["NAME", "READY", "REASON", "REPLICAS", "AGE"]


def test_kubectl_runs_the_plugin_and_completes_names(services: NamespaceFixture, tmp_path: Path) -> None:
    scripts = Path(sys.executable).parent
    variables = {
        "PATH": f"{scripts}:{os.environ['PATH']}",
        "KUBECONFIG": str(services.cluster.kubeconfig),
        "HOME": str(tmp_path),
    }

    def kubectl(*arguments: str) -> str:
        done = subprocess.run(
            [services.cluster.kubectl, *arguments],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    options = ("-n", services.namespace)
    assert " ready " in f" {kubectl('modelservice', 'list', '-o', 'name', *options)} ".replace("/", " ").replace(
        "\n", " "
    )
    found = kubectl("__complete", "modelservice", "status", *options, "re").splitlines()
    assert found == ["ready", ":4"]
    assert kubectl("__complete", "modelservice", "sta").splitlines() == ["status", ":4"]


def test_bash_completes_names_and_namespaces(services: NamespaceFixture, tmp_path: Path) -> None:
    scripts = Path(sys.executable).parent
    script = f"""
    source <(modelservice completion bash)
    COMP_WORDS=(modelservice why -n {services.namespace} home); COMP_CWORD=4; _modelservice; echo "${{COMPREPLY[@]}}"
    COMP_WORDS=(modelservice list -n {services.namespace[:-1]}); COMP_CWORD=3; _modelservice; echo "${{COMPREPLY[@]}}"
    COMP_WORDS=(modelservice list -o ""); COMP_CWORD=3; _modelservice; echo "${{COMPREPLY[@]}}"
    """
    variables = {
        "PATH": f"{scripts}:{os.environ['PATH']}",
        "KUBECONFIG": str(services.cluster.kubeconfig),
        "HOME": str(tmp_path),
    }
    done = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["homeless", services.namespace, "table wide json yaml name"]


def test_broken_pipe_is_no_traceback(services: NamespaceFixture) -> None:
    command = (
        f"{sys.executable} -m modelservice_cli list -o json -n {services.namespace} | true; echo ${{PIPESTATUS[0]}}"
    )
    variables = os.environ | {"KUBECONFIG": str(services.cluster.kubeconfig)}
    done = subprocess.run(["bash", "-c", command], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {"0", "141"}
    assert done.stderr == ""


@pytest.mark.usefixtures("services")
def test_top_compares_requests_with_use(run: Run) -> None:
    """The simulated control plane has no metrics API: one sentence (tests/e2e/test_cli.py has one)."""
    found = run("top", "ready")
    assert found.code == ExitCode.UNREACHABLE
    assert (
        found.err
        == "modelservice: The cluster has no working metrics API: install metrics-server, or check its pods.\n"
    )


def test_check_is_that_of_the_operator(services: NamespaceFixture, run: Run) -> None:
    found = run("check", "-o", "json")
    done = subprocess.run(
        [sys.executable, "-m", "modelservice_operator", "check", "-o", "json", "--namespace", services.namespace],
        env=os.environ | {"KUBECONFIG": str(services.cluster.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    ours, theirs = json.loads(found.out), json.loads(done.stdout)
    assert [one["id"] for one in ours["findings"]] == [one["id"] for one in theirs["findings"]]
    assert found.code == done.returncode


def test_status_watch_prints_a_change(services: NamespaceFixture, tmp_path: Path) -> None:
    output = tmp_path / "out"
    services.apply(model_service().named("moving").suspended())
    services.wait_ready("moving")
    command = [sys.executable, "-m", "modelservice_cli", "status", "moving", "--watch", "-n", services.namespace]
    variables = os.environ | {"KUBECONFIG": str(services.cluster.kubeconfig)}
    with output.open("w") as stdout, subprocess.Popen(command, env=variables, stdout=stdout) as process:
        try:
            wait_until(lambda: "ScaledToZero" in output.read_text(), seconds=60, what="the first tree")
            services.apply(model_service().named("moving"))
            wait_until(lambda: "RolloutComplete" in output.read_text(), seconds=60, what="the second tree")
        finally:
            process.terminate()
    assert "\n---\n" in output.read_text()
    services.kubectl("delete", "msvc", "moving")
