"""The command line in this process, with what it prints."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelservice_cli.main import main


@dataclass(frozen=True)
class Result:
    """Exit code, standard output and standard error of a command."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


def runner(capsys: pytest.CaptureFixture[str], *, kubeconfig: Path | None = None, namespace: str = "") -> Run:
    """Return a function that runs a command against a cluster and a namespace."""

    def run(*arguments: str) -> Result:
        before = ["--kubeconfig", str(kubeconfig)] if kubeconfig is not None else []
        before += ["-n", namespace] if namespace else []
        capsys.readouterr()
        code = main([arguments[0], *before, *arguments[1:]], program="modelservice")
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return run
