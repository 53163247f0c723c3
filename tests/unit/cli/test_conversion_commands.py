"""from-deployment, from-compose and from-run as commands: sources, formats, exit codes; each error is one sentence."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelservice_cli.main import main
from tests.support.migration.public import smallest_input

MODEL_SERVICE = {
    "apiVersion": "modelservice.dev/v1alpha1",
    "kind": "ModelService",
    "metadata": {"name": "petals"},
    "spec": {"image": "registry.example.com/petals:1.0", "containerPort": 8000},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "petals.yaml"
    path.write_text(yaml.safe_dump_all(smallest_input()), encoding="utf-8")
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments], program="modelservice")
    output, errors = capsys.readouterr()
    return code, output, errors


def test_file_becomes_yaml_and_sentences(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    code, output, errors = run(capsys, "from-deployment", "-f", file)
    assert code == 0
    assert yaml.safe_load(output) == MODEL_SERVICE
    lines = errors.splitlines()
    assert len(lines) > 5
    assert all(line.partition(":")[0] in {"changed", "left out", "standard"} for line in lines)
    assert lines[-1].startswith("standard: every ModelService has the labels and selectors of the operator")


def test_verbose_adds_what_every_model_service_has(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    _, _, brief = run(capsys, "from-deployment", "-f", file)
    _, _, full = run(capsys, "from-deployment", "-f", file, "--verbose")
    assert set(brief.splitlines()[:-1]) < set(full.splitlines())


def test_directory_and_standard_input_are_read(
    capsys: pytest.CaptureFixture[str], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(capsys, "from-deployment", "-f", file)
    assert run(capsys, "from-deployment", "-f", file.parent) == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    assert run(capsys, "from-deployment", "-f", "-") == expected


def test_json_has_the_sentences_too(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    code, output, errors = run(capsys, "from-deployment", "-f", file, "-o", "json")
    body: Any = json.loads(output)
    assert (code, errors) == (0, "")
    assert body["items"] == [MODEL_SERVICE]
    assert {"modelService", "change", "object", "fields", "sentence"} == set(body["notes"][0])
    assert all(note["sentence"].endswith(".") for note in body["notes"])


def test_names_can_be_printed(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    assert run(capsys, "from-deployment", "-f", file, "-o", "name")[1] == "modelservice/petals\n"


def test_comments_replace_standard_error(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    _, output, errors = run(capsys, "from-deployment", "-f", file, "--comments")
    assert errors == ""
    assert yaml.safe_load(output) == MODEL_SERVICE
    assert output.startswith("# left out: Deployment/petals spec.template.metadata.labels[app]")
    assert max(map(len, output.splitlines())) <= 120


def test_result_passes_the_judge(capsys: pytest.CaptureFixture[str], file: Path, tmp_path: Path) -> None:
    _, output, _ = run(capsys, "from-deployment", "-f", file, "--keep-defaults")
    result = tmp_path / "result" / "model.yaml"
    result.parent.mkdir()
    result.write_text(output, encoding="utf-8")
    assert run(capsys, "render", result)[0] == 0


def test_compose_file_is_converted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    compose = tmp_path / "compose.yaml"
    compose.write_text("services:\n  iris:\n    image: iris:1\n    ports: ['80:5000']\n", encoding="utf-8")
    code, output, errors = run(capsys, "from-compose", compose)
    assert code == 0
    assert yaml.safe_load(output)["spec"] == {"image": "iris:1", "containerPort": 5000}
    assert "changed: service/iris ports: the ports are those of a Service in the cluster" in errors


@pytest.mark.parametrize("words", [["docker", "run", "-p", "80:5000", "iris:1"], ["docker run -p 80:5000 iris:1"]])
def test_command_line_is_converted(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    code, output, _ = run(capsys, "from-run", "--", *words)
    assert code == 0
    assert yaml.safe_load(output)["spec"] == {"image": "iris:1", "containerPort": 5000}


def test_document_with_command_lines_is_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("Run it:\n```console\n$ docker run -p 80:5000 \\\n    iris:1\n```\n", encoding="utf-8")
    assert yaml.safe_load(run(capsys, "from-run", "-f", readme)[1])["metadata"] == {"name": "iris"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["from-deployment"], 2, "Name a Deployment of the cluster, or files with -f."),
        (["from-deployment", "a", "-f", "b"], 2, "Name a Deployment of the cluster or files, not both"),
        (["from-deployment", "-f", "missing.yaml"], 2, "Cannot read missing.yaml: No such file or directory."),
        (["from-deployment", "-f", "binary.yaml"], 2, "binary.yaml: not UTF-8 text, at byte 0."),
        (["from-deployment", "-f", "list.yaml"], 2, "list.yaml:1: not an object, but list."),
        (["from-deployment", "-f", "broken.yaml"], 2, "broken.yaml:2: not YAML"),
        (["from-deployment", "-f", "empty.yaml"], 1, "The input has no Deployment"),
        (["from-deployment", "-f", "database.yaml"], 1, "StatefulSet/db cannot become a ModelService"),
        (["from-deployment", "-f", "petals.yaml", "--only", "rose"], 4, "The input has no Deployment rose"),
        (["from-compose", "petals.yaml"], 1, "The input has no services, so that it is not a Compose file."),
        (["from-compose", "missing.yaml"], 2, "Cannot read missing.yaml"),
        (["from-compose", "list.yaml"], 2, "list.yaml:1: not a Compose file."),
        (["from-run"], 2, "Give a command line behind --, or a file with -f."),
        (["from-run", "--", "docker", "ps"], 2, "This is no `docker run`: docker ps"),
        (["from-run", "-f", "petals.yaml"], 1, "The input has no `docker run`."),
    ],
    ids=lambda value: "-".join(value).replace("/", "") if isinstance(value, list) else "",
)
def test_wrong_input_is_one_sentence(
    capsys: pytest.CaptureFixture[str], broken_files: Path, arguments: list[str], code: int, message: str
) -> None:
    assert broken_files.is_dir()
    found, output, errors = run(capsys, *arguments)
    assert (found, output) == (code, "")
    assert errors.startswith(f"modelservice: {message}")
    assert errors.count("\n") == 1


@pytest.fixture
def broken_files(file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a valid file and others that cannot be converted."""
    monkeypatch.chdir(file.parent)
    Path("binary.yaml").write_bytes(b"\xff\xfe")
    for name, text in (
        ("list.yaml", "[a]\n"),
        ("broken.yaml", "a: [1\nb: {\n"),
        ("empty.yaml", "---\n"),
        ("database.yaml", "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}}\n"),
    ):
        Path(name).write_text(text, encoding="utf-8")
    return file.parent
