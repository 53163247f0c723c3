import io
from pathlib import Path

import pytest
import yaml

from modelservice_operator.cli.main import main
from tests.support.builders import model_service


def test_rendering_prints_the_children(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "objects.yaml"
    others = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}}
    file.write_text(yaml.safe_dump_all([others, model_service().autoscaled(max_replicas=3).manifest()]))
    assert main(["render", str(file)]) == 0
    kinds = [body["kind"] for body in yaml.safe_load_all(capsys.readouterr().out)]
    assert kinds == ["Deployment", "Service", "HorizontalPodAutoscaler"]


def test_rendering_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(yaml.safe_dump(model_service().manifest())))
    assert main(["render", "-"]) == 0
    assert "kind: Deployment" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (yaml.safe_dump(model_service().without_spec("image").manifest()), "spec.image: Field required"),
        ("kind: Pod", "contains no ModelService of modelservice.dev/v1alpha1"),
        ("a: [", "while parsing"),
    ],
)
def test_what_cannot_be_rendered_is_told(
    text: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "object.yaml"
    file.write_text(text)
    assert main(["render", str(file)]) == 1
    assert sentence in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "no-such-file.yaml"]) == 1
    assert "no-such-file.yaml" in capsys.readouterr().err


def test_the_crd_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crd"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["kind"] == "CustomResourceDefinition"


@pytest.mark.parametrize("workers", ["0", "-1", "many"])
def test_a_number_that_makes_no_sense_is_refused(workers: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "--workers", workers])
    assert caught.value.code == 2
    assert "is not a positive integer" in capsys.readouterr().err


def test_no_cluster_to_talk_to_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["run"]) == 1
    assert "there is no service account (not in a pod)" in capsys.readouterr().err
