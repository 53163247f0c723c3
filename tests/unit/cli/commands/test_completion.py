import os
from pathlib import Path

import pytest
import yaml

from modelservice_cli.commands.completion import command_names, complete
from modelservice_cli.main import COMMANDS

NAMES = sorted(command.name for command in COMMANDS)


@pytest.fixture(autouse=True)
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubeconfig of two contexts, whose server does not answer."""
    cluster = {"server": "https://127.0.0.1:1"}
    contexts = [{"name": name, "context": {"cluster": "c"}} for name in ("dev", "prod")]
    body = {"current-context": "dev", "clusters": [{"name": "c", "cluster": cluster}], "contexts": contexts}
    (tmp_path / "config").write_text(yaml.safe_dump(body))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    assert os.environ["KUBECONFIG"]


def test_commands_are_those_of_the_help() -> None:
    assert command_names() == NAMES


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([""], [*NAMES, "help"]),
        (["re"], ["render", "restart", "resume"]),
        (["--"], ["--help", "--version"]),
        (["help", "wh"], ["why"]),
        (["-n", "ml", "wh"], ["why"]),
        (["list", "--out"], ["--output"]),
        (["list", "-o", ""], ["table", "wide", "json", "yaml", "name"]),
        (["list", "-o", "j"], ["json"]),
        (["list", "--context", ""], ["dev", "prod"]),
        (["--context", "p"], ["prod"]),
        (["wait", "iris", "--for", "l"], ["loaded"]),
        (["completion", "z"], ["zsh"]),
        (["status", ""], []),
        (["list", "-n", ""], []),
        (["unknown", "x"], []),
        (["scale", "iris", "--replicas", ""], []),
    ],
    ids=" ".join,
)
def test_words_are_completed(words: list[str], found: list[str]) -> None:
    assert complete(words).words == found


@pytest.mark.parametrize(
    ("words", "files"), [(["lint", ""], True), (["predict", "iris", "--data", "@"], True), (["list", ""], False)]
)
def test_files_are_completed_where_one_is_expected(words: list[str], *, files: bool) -> None:
    assert complete(words).files is files
