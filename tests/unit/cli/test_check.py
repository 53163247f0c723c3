from pathlib import Path

import pytest

from modelservice_operator.check.operators import ArgumentsError
from modelservice_operator.cli.check import parse_arguments
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


def test_arguments_say_whether_tokens_are_reviewed() -> None:
    assert parse_arguments(["run", "--secure-metrics-port", "8443"]).has_secure_metrics
    assert not parse_arguments(["run"]).has_secure_metrics
    with pytest.raises(ArgumentsError, match="--metrics-cert-path needs --secure-metrics-port"):
        parse_arguments(["run", "--metrics-cert-path", "/etc/metrics"])
