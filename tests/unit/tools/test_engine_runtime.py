"""The OCI runtime of the private Docker engine removes the capabilities that root lacks, and nothing else."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.environment.cluster.go_program import go_program
from tests.environment.engine.engine import HERE

LARGE = 18446744073709551615
RECORDER = "#!/bin/sh\nprintf '%s\\n' \"$@\"\n"


@pytest.fixture(scope="module")
def runtime() -> Path:
    return go_program(HERE / "runtime", "engine-runtime")


def run(runtime: Path, folder: Path, *arguments: str) -> list[str]:
    """Run the program with a real runtime that prints its arguments."""
    real = folder / "runc"
    real.write_text(RECORDER)
    real.chmod(0o755)
    environment = {"REAL_RUNTIME": str(real), "PATH": "/usr/bin:/bin"}
    result = subprocess.run([runtime, *arguments], env=environment, capture_output=True, text=True, check=True)
    return result.stdout.splitlines()


def process(*capabilities: str) -> dict[str, Any]:
    limits = [{"type": "RLIMIT_NOFILE", "hard": LARGE, "soft": 1}]
    return {"capabilities": {"bounding": list(capabilities), "effective": list(capabilities)}, "rlimits": limits}


@pytest.mark.parametrize("words", [("create", "--bundle"), ("run", "-b")])
def test_unknown_capability_is_removed_from_the_bundle(tmp_path: Path, runtime: Path, words: tuple[str, ...]) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"process": process("CAP_CHOWN_OF_ANOTHER_KERNEL"), "hostname": "a"}))
    command = ["--root", "/run/x", *words, str(tmp_path), "name"]
    assert run(runtime, tmp_path, *command) == command
    found = json.loads(file.read_text())
    assert found == {"process": process(), "hostname": "a"}
    assert found["process"]["rlimits"][0]["hard"] == LARGE


def test_unknown_capability_is_removed_from_a_process(tmp_path: Path, runtime: Path) -> None:
    file = tmp_path / "process.json"
    file.write_text(json.dumps(process("CAP_CHOWN_OF_ANOTHER_KERNEL")))
    command = ["exec", f"--process={file}", "name"]
    assert run(runtime, tmp_path, *command) == command
    assert json.loads(file.read_text()) == process()


def test_specification_without_unknown_capability_is_unchanged(tmp_path: Path, runtime: Path) -> None:
    file = tmp_path / "config.json"
    text = json.dumps({"process": process()}, indent=3)
    file.write_text(text)
    run(runtime, tmp_path, "create", "--bundle", str(tmp_path), "name")
    assert file.read_text() == text


def test_other_commands_reach_the_real_runtime(tmp_path: Path, runtime: Path) -> None:
    assert run(runtime, tmp_path, "kill", "name", "9") == ["kill", "name", "9"]
