"""`modelservice lint`: refusals, warnings, formats and exit codes."""

import json
from pathlib import Path

import pytest
import yaml

from modelservice_cli.errors import ExitCode
from modelservice_cli.main import main
from tests.support.builders import model_service

RESOURCES = {"requests": {"cpu": "500m"}, "limits": {"memory": "512Mi"}}
READINESS = {"readiness": {"httpGet": {"path": "/isAlive"}}}
QUIET = model_service().with_spec(image="registry.example.com:5000/iris:1.4", resources=RESOURCES, probes=READINESS)


def lint(tmp_path: Path, *arguments: str, **spec: object) -> int:
    file = tmp_path / "iris.yaml"
    file.write_text(yaml.safe_dump(QUIET.with_spec(**spec).manifest(), sort_keys=False))
    return main(["lint", str(file), *arguments])


def test_lint_accepts_a_good_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(tmp_path) == ExitCode.OK
    assert capsys.readouterr().out == "1 ModelServices: 0 refused, 0 warnings\n"


def test_lint_prints_warnings_at_their_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(tmp_path, image="iris", disruptionBudget={"minAvailable": 1}) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    text = (tmp_path / "iris.yaml").read_text().splitlines()
    at = {
        name: 1 + next(number for number, line in enumerate(text) if line.startswith(f"  {name}:"))
        for name in ("image", "disruptionBudget")
    }
    assert lines[0].startswith(f"{tmp_path}/iris.yaml:{at['image']}: Warning: image has no tag or the tag latest")
    assert lines[1].startswith(
        f"{tmp_path}/iris.yaml:{at['disruptionBudget']}: Warning: disruptionBudget has no effect"
    )
    assert lines[2:] == ["1 ModelServices: 0 refused, 2 warnings"]


def test_strict_lint_fails_for_warnings(tmp_path: Path) -> None:
    assert lint(tmp_path, "--strict", image="iris") == ExitCode.NEGATIVE


def test_lint_prints_refusals_and_no_warnings_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(tmp_path, image="has space") == ExitCode.NEGATIVE
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert 'The ModelService "iris" is invalid: spec.image: Invalid value: "has space": must be an image' in lines[0]


def test_lint_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(tmp_path, "-o", "json", image="iris") == ExitCode.OK
    answer = json.loads(capsys.readouterr().out)
    [finding] = answer.pop("findings")
    assert answer == {"objects": 1, "refused": 0, "warnings": 1}
    assert (finding["level"], finding["file"]) == ("warning", f"{tmp_path}/iris.yaml")
    assert finding["line"] > 1
