import io
from pathlib import Path

import pytest
import yaml

from modelservice_operator.cli.main import main
from tests.support.builders import model_service


def test_render_prints_the_children(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "objects.yaml"
    other = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}}
    file.write_text(yaml.safe_dump_all([other, model_service().autoscaled(max_replicas=3).manifest()]))
    assert main(["render", str(file)]) == 0
    kinds = [body["kind"] for body in yaml.safe_load_all(capsys.readouterr().out)]
    assert kinds == ["Deployment", "Service", "HorizontalPodAutoscaler"]


def test_render_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(yaml.safe_dump(model_service().manifest())))
    assert main(["render", "-"]) == 0
    assert "kind: Deployment" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (yaml.safe_dump(model_service().without_spec("image").manifest()), "spec.image: Field required"),
        ("kind: Pod", "contains no ModelService of modelservice.dev/v1alpha1"),
        ("a: [", "while parsing"),
    ],
)
def test_render_reports_invalid_input(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "object.yaml"
    file.write_text(text)
    assert main(["render", str(file)]) == 1
    assert message in capsys.readouterr().err


def test_render_reports_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "no-such-file.yaml"]) == 1
    assert "no-such-file.yaml" in capsys.readouterr().err


def test_crd_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crd"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["kind"] == "CustomResourceDefinition"
