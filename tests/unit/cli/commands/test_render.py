"""`modelservice render`: the children, or the refusal with file and line."""

import io
from pathlib import Path

import pytest
import yaml

from modelservice_cli.errors import ExitCode
from modelservice_cli.main import main
from tests.support.builders import model_service

IRIS = model_service().manifest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "objects.yaml"


def test_render_prints_the_children(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}}
    file.write_text(yaml.safe_dump_all([other, model_service().autoscaled(max_replicas=3).manifest()]))
    assert main(["render", str(file)]) == ExitCode.OK
    kinds = [body["kind"] for body in yaml.safe_load_all(capsys.readouterr().out)]
    assert kinds == ["Deployment", "Service", "HorizontalPodAutoscaler"]


@pytest.mark.parametrize("arguments", [["-"], ["-f", "-"]])
def test_render_reads_standard_input(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(yaml.safe_dump(IRIS).encode())))
    assert main(["render", *arguments]) == ExitCode.OK
    assert "kind: Deployment" in capsys.readouterr().out


def test_render_reads_lists_and_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [IRIS, model_service().named("digits").manifest()]}
    file.with_suffix(".json").write_text(yaml.safe_dump(listed, default_flow_style=True, width=10**6))
    assert main(["render", str(file.parent)]) == ExitCode.OK
    assert [body["kind"] for body in yaml.safe_load_all(capsys.readouterr().out)] == ["Deployment", "Service"] * 2


def test_render_prints_nothing_if_one_object_is_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    misspelt = model_service().with_spec(replica=2).manifest()
    file.write_text(yaml.safe_dump_all([IRIS, misspelt]))
    assert main(["render", str(file)]) == ExitCode.NEGATIVE
    output = capsys.readouterr()
    assert output.out == ""
    line = 1 + file.read_text().splitlines().index("  replica: 2")
    assert output.err == (
        f'{file}:{line}: ModelService in version "v1alpha1" cannot be handled as a ModelService: strict decoding error:'
        " unknown field \"spec.replica\"; did you mean 'replicas'?\n"
    )


@pytest.mark.parametrize(
    ("text", "message", "code"),
    [
        (
            "kind: Pod\napiVersion: v1",
            "There is no ModelService of modelservice.dev/v1alpha1 in the input.",
            ExitCode.USAGE,
        ),
        ("a: [", "not YAML: while parsing a flow node", ExitCode.USAGE),
        ("", "There is no object to read", ExitCode.USAGE),
        ("- a", "objects.yaml:1: Object 'Kind' is missing", ExitCode.NEGATIVE),
        ("kind: ModelService", "objects.yaml:1: Object 'apiVersion' is missing in the ModelService", ExitCode.NEGATIVE),
        (
            "apiVersion: modelservice.dev/v1\nkind: Modelservice",
            'no matches for kind "Modelservice" in version "modelservice.dev/v1"; did you mean ModelService of',
            ExitCode.NEGATIVE,
        ),
    ],
)
def test_render_reports_input_without_model_services(
    text: str, message: str, code: ExitCode, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(text)
    assert main(["render", str(file)]) == code
    output = capsys.readouterr()
    assert message in output.err
    assert output.err.count("\n") == 1


def test_render_judges_by_another_crd(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crd = yaml.safe_load(Path("crds/modelservices.modelservice.dev.yaml").read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["suspend"]
    older = file.with_name("crd.yaml")
    older.write_text(yaml.safe_dump(crd))
    file.write_text(yaml.safe_dump(model_service().with_spec(suspend=True).manifest()))
    assert main(["render", str(file)]) == ExitCode.OK
    assert main(["render", str(file), "--crd", str(older)]) == ExitCode.NEGATIVE
    assert 'unknown field "spec.suspend"' in capsys.readouterr().err
    assert main(["render", str(file), "--crd", str(file)]) == ExitCode.USAGE


def test_generated_schema_is_that_of_the_manifests(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(yaml.safe_dump(model_service().with_spec(replicas=-1).manifest()))
    answers = []
    for more in ([], ["--crd", "crds/modelservices.modelservice.dev.yaml"]):
        assert main(["render", str(file), *more]) == ExitCode.NEGATIVE
        answers.append(capsys.readouterr().err)
    assert answers[0] == answers[1]
