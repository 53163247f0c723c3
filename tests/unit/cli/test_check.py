from pathlib import Path

import pytest

from modelservice_operator.cli.main import main


def test_check_cannot_work_without_a_kubeconfig(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--kubeconfig", str(tmp_path / "missing")]) == 2
    assert capsys.readouterr().err.startswith("Cannot check: There is no kubeconfig")


def test_check_names_an_unknown_context(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config"
    path.write_text("clusters: []\nusers: []\ncontexts: []\ncurrent-context: x\n")
    assert main(["check", "--kubeconfig", str(path), "--context", "other"]) == 2
    assert "has no context with the name 'other'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--namespace", "Bad_Name"], ["-o", "yaml"]])
def test_check_rejects_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["check", *arguments])
    assert caught.value.code == 2
    assert "modelservice-operator check: error: argument" in capsys.readouterr().err
