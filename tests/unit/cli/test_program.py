"""The program `modelservice`: commands, options, exit codes, pipes, colours and its start."""

import io
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from modelservice_cli.arguments import command_first
from modelservice_cli.errors import ExitCode
from modelservice_cli.main import COMMANDS, Command, main

PROGRAM = [sys.executable, "-m", "modelservice_cli"]
MAX_START_SECONDS = 0.15
HEAVY = ("kubernetes", "pydantic", "yaml", "cel_expr_python", "rich", "asyncio")
IRIS = """\
apiVersion: modelservice.dev/v1alpha1
kind: ModelService
metadata: {name: iris}
spec: {image: "registry.example.com/iris:1.4", replicas: -1}
"""


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(f"  {command.name} " in text and command.summary in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["help", command.name])
    assert ended.value.code == 0
    assert "usage: modelservice" in capsys.readouterr().out


def test_unknown_command_is_answered_by_a_similar_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rendr"]) == ExitCode.USAGE
    assert capsys.readouterr().err == "modelservice: unknown command 'rendr': did you mean 'render'?\n"


def test_version_is_that_of_the_operator(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("modelservice 0.")


@pytest.mark.parametrize(
    ("arguments", "moved"),
    [
        (["-n", "web", "list"], ["list", "-n", "web"]),
        (["--namespace=web", "-A", "list", "x"], ["list", "--namespace=web", "-A", "x"]),
        (["list", "-n", "web"], ["list", "-n", "web"]),
        (["--help"], ["--help"]),
        (["-n", "web"], ["-n", "web"]),
        ([], []),
    ],
)
def test_options_may_precede_the_command(arguments: list[str], moved: list[str]) -> None:
    assert command_first(arguments) == moved


def test_plugin_is_named_as_users_type_it(tmp_path: Path) -> None:
    plugin = Path(sys.executable).parent / "kubectl-modelservice"
    result = subprocess.run([plugin, "rendr"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (result.returncode, result.stderr[:22]) == (ExitCode.USAGE, "kubectl modelservice: ")


def test_help_needs_no_library() -> None:
    code = f"""
import sys
from modelservice_cli.main import main
try:
    main(["--help"])
finally:
    sys.stderr.write(" ".join(name for name in {HEAVY!r} if name in sys.modules))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_help_starts_fast_relative_to_the_interpreter(figure: Callable[[str], None]) -> None:
    """The start of the interpreter shows the speed of the machine."""

    def seconds(*arguments: str) -> float:
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            times.append(time.perf_counter() - begin)
        return median(times)

    own, bare = seconds("-m", "modelservice_cli", "--help"), seconds("-c", "import argparse, pathlib, difflib")
    figure(f"command line: --help takes {own * 1000:.0f} ms, the interpreter {bare * 1000:.0f} ms")
    assert own < max(MAX_START_SECONDS, 2 * bare)


def test_broken_pipe_ends_the_program_quietly(tmp_path: Path) -> None:
    (tmp_path / "iris.yaml").write_text("---\n".join([IRIS] * 800))
    command = f"{sys.executable} -m modelservice_cli lint iris.yaml | head -n 1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr, result.stdout.count("\n")) == (ExitCode.BROKEN_PIPE, "", 1)


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_are_used_on_a_terminal_only(tmp_path: Path, variables: dict[str, str], *, coloured: bool) -> None:
    (tmp_path / "iris.yaml").write_text(IRIS)
    master, slave = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": "xterm"} | variables
    subprocess.run([*PROGRAM, "lint", "iris.yaml"], cwd=tmp_path, stdout=slave, env=environment, check=False)
    os.close(slave)
    text = os.read(master, 65536).decode()
    os.close(master)
    assert ("\x1b[31m" in text) is coloured
    piped = subprocess.run([*PROGRAM, "lint", "iris.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "\x1b" not in piped.stdout


def test_interrupt_has_the_exit_code_of_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(Interrupted()))
    assert main(["lint", "-"]) == ExitCode.INTERRUPTED
