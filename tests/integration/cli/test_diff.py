"""`modelservice diff` on a real API server with a running operator: what changes, in the object and in its children."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from modelservice_cli.errors import ExitCode
from modelservice_cli.main import main
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.doc_examples import Example, examples_of, files_of, run_example
from tests.support.namespace import PLURAL, NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator

DOCUMENT = Path("docs/cli/diff.md")
Diff = Callable[..., int]
IRIS = model_service().with_spec(replicas=2)


@pytest.fixture(scope="module")
def operator(operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """An operator with other settings of the loader than the default ones."""
    settings = ("--loader-image", "registry.example.com/loader:9", "--loader-seconds", "77")
    with running_operator(operator_kubeconfig, tmp_path_factory.mktemp("operator") / "operator.log", *settings) as one:
        yield one


@pytest.fixture
def diff(ns: NamespaceFixture, tmp_path: Path) -> Diff:
    """Compare objects with the module's namespace; return the exit code."""

    def run(*services: ModelServiceBuilder, options: tuple[str, ...] = ()) -> int:
        manifests = [service.manifest() for service in services]
        for manifest in manifests:
            manifest["metadata"].pop("namespace")
        file = tmp_path / "objects.yaml"
        file.write_text(yaml.safe_dump_all(manifests))
        kubeconfig = str(ns.cluster.kubeconfig)
        return main(["--kubeconfig", kubeconfig, "-n", ns.namespace, "diff", str(file), *options])

    return run


def changes(text: str) -> list[str]:
    """Return the changed lines of a diff."""
    return [line for line in text.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}]


def test_new_object_is_shown_with_its_children(
    ns: NamespaceFixture, diff: Diff, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diff(IRIS.named("new")) == ExitCode.NEGATIVE
    text = capsys.readouterr().out
    heads = [line.removeprefix("+++ ") for line in text.splitlines() if line.startswith("+++ ")]
    assert heads == [f"merged/{kind}/{ns.namespace}/new" for kind in ("ModelService", "Deployment", "Service")]
    assert not [line for line in changes(text) if line.startswith("-")]
    assert "+  containerPort: 8080" in changes(text)  # a default of the server
    assert ns.get(PLURAL, "new") is None
    assert ns.get("deployments", "new") is None


@pytest.fixture(scope="module")
def applied(ns: NamespaceFixture) -> NamespaceFixture:
    ns.apply(IRIS.autoscaled(max_replicas=3).with_spec(env=[{"name": "A", "value": "1"}]))
    ns.wait_ready()
    return ns


def applied_service() -> ModelServiceBuilder:
    return IRIS.autoscaled(max_replicas=3).with_spec(env=[{"name": "A", "value": "1"}])


@pytest.mark.usefixtures("applied")
def test_applied_object_does_not_differ(diff: Diff, capsys: pytest.CaptureFixture[str]) -> None:
    assert diff(applied_service()) == ExitCode.OK
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("applied")
def test_changed_field_is_shown_in_object_and_child(diff: Diff, capsys: pytest.CaptureFixture[str]) -> None:
    assert diff(applied_service().autoscaled(max_replicas=7)) == ExitCode.NEGATIVE
    found = changes(capsys.readouterr().out)
    assert found == ["-    maxReplicas: 3", "+    maxReplicas: 7", "-  maxReplicas: 3", "+  maxReplicas: 7"]


@pytest.mark.usefixtures("applied")
def test_field_that_left_the_file_is_shown_as_removed(diff: Diff, capsys: pytest.CaptureFixture[str]) -> None:
    """Kubectl applied the object client-side: it removes what the file lacks."""
    assert diff(applied_service().without_spec("env")) == ExitCode.NEGATIVE
    found = changes(capsys.readouterr().out)
    assert found[:3] == ["-  env:", "-  - name: A", "-    value: '1'"]
    assert all(line.startswith("-") for line in found)


def test_child_that_is_not_wanted_is_shown_as_removed(
    applied: NamespaceFixture, diff: Diff, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diff(applied_service().without_spec("autoscaling")) == ExitCode.NEGATIVE
    text = capsys.readouterr().out
    removed = text.partition(f"--- live/HorizontalPodAutoscaler/{applied.namespace}/iris")[2]
    assert "-kind: HorizontalPodAutoscaler" in changes(removed)
    assert "+" not in {line[:1] for line in changes(removed)}


@pytest.mark.usefixtures("applied")
def test_children_can_be_left_out(diff: Diff, capsys: pytest.CaptureFixture[str]) -> None:
    assert diff(applied_service().autoscaled(max_replicas=7), options=("--no-children",)) == ExitCode.NEGATIVE
    assert capsys.readouterr().out.count("+++ ") == 1


def test_drift_of_a_child_is_shown(applied: NamespaceFixture, diff: Diff, capsys: pytest.CaptureFixture[str]) -> None:
    """An annotation of another client stays; a field of the operator would be corrected."""
    applied.kubectl("annotate", "service", "iris", "example.com/team=flowers")
    assert diff(applied_service()) == ExitCode.OK
    assert capsys.readouterr().out == ""


def test_server_side_applied_object_does_not_differ(
    ns: NamespaceFixture, diff: Diff, capsys: pytest.CaptureFixture[str]
) -> None:
    service = IRIS.named("managed")
    manifest = yaml.safe_dump(service.named("managed", namespace=ns.namespace).manifest())
    ns.kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
    ns.wait_ready("managed")
    assert diff(service) == ExitCode.OK
    assert diff(service.with_spec(containerPort=9000), options=("--no-children",)) == ExitCode.NEGATIVE
    assert changes(capsys.readouterr().out) == ["-  containerPort: 8080", "+  containerPort: 9000"]


@pytest.mark.parametrize("policy", ["OnSpecChange", "Auto"])
def test_settings_of_the_loader_are_those_of_the_operator(
    ns: NamespaceFixture, diff: Diff, capsys: pytest.CaptureFixture[str], policy: str
) -> None:
    name = f"loaded-{policy.lower()}"
    service = IRIS.named(name).with_spec(model={"uri": "s3://models/iris", "updatePolicy": policy})
    ns.apply(service)
    ns.wait(lambda: ns.get("deployments", name), "the Deployment", name=name)
    assert diff(service) == ExitCode.OK
    assert diff(service.with_spec(env=[{"name": "A", "value": "1"}])) == ExitCode.NEGATIVE
    text = capsys.readouterr().out
    assert "+        - name: A\n" in text
    assert not [line for line in changes(text) if "loader" in line]


def test_refusal_of_the_server_is_one_sentence(diff: Diff, capsys: pytest.CaptureFixture[str]) -> None:
    assert diff(IRIS.with_spec(containerPort=0)) == ExitCode.NEGATIVE
    assert capsys.readouterr().err == (
        'modelservice: The ModelService "iris" is invalid: spec.containerPort: Invalid value: 0: spec.containerPort in'
        " body should be greater than or equal to 1\n"
    )


def test_example_of_the_document_prints_what_it_shows(ns: NamespaceFixture, tmp_path: Path) -> None:
    [example] = [one for one in examples_of(DOCUMENT) if "--help" not in one.command]
    [(name, text)] = files_of(DOCUMENT).items()
    body = yaml.safe_load(text)
    body["metadata"]["name"] = "shown"
    (tmp_path / name).write_text(yaml.safe_dump(body))
    body["spec"]["replicas"] = 2
    ns.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(body))
    ns.wait_ready("shown")
    command = f"{example.command} -n {ns.namespace}"
    output, code = run_example(Example(command, "", 0), tmp_path, {"KUBECONFIG": str(ns.cluster.kubeconfig)})
    expected = example.output.replace("/default/iris", f"/{ns.namespace}/shown")
    shown = output.replace("name: shown", "name: iris").replace(f"namespace: {ns.namespace}", "namespace: default")
    assert (shown, code) == (expected, example.exit_code)
