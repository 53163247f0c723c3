"""Python environments of the peers, outside of the work tree. Each has the same content as the operator's image.

kopf imports the official `kubernetes` package if it is installed: the development environment would add 10 MiB
to the operator under test.
"""

import hashlib
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.commands import run_command
from tests.environment.cluster.install import installed, uv

ROOT = Path(__file__).parents[1]
_TUTORIAL_PACKAGES = ("kopf", "kubernetes", "uvloop")
"""Tutorials do not install uvloop. `kopf run` uses it if available, so that the comparison does not depend on it."""


def operator_python() -> Path:
    """Return the Python of an environment with only the operator's locked dependencies."""
    return _environment("operator", ("--no-dev",), ())


def tutorial_python() -> Path:
    """Return the Python of an environment with kopf and the official client, at the locked versions."""
    return _environment("tutorial", (), _TUTORIAL_PACKAGES)


def _environment(name: str, groups: tuple[str, ...], packages: tuple[str, ...]) -> Path:
    """Return the Python of the environment, installed once per lock file.

    `packages` are installed with their dependencies; without any, everything that the lock file has for `groups`.
    """
    parts = (ROOT / "uv.lock").read_bytes(), sys.version.encode(), repr((groups, packages)).encode()
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()
    return installed("bench", name, key, lambda home: _install(home, groups, packages)) / "bin" / "python"


def _install(home: Path, groups: tuple[str, ...], packages: tuple[str, ...]) -> None:
    python = home / "bin" / "python"
    run_command(
        [uv(), "venv", "--quiet", "--clear", "--python", sys.executable, home], description="Making an environment"
    )
    with TemporaryDirectory() as folder:
        pins = Path(folder) / "pins.txt"
        export: list[str | Path] = [
            uv(),
            "export",
            "--frozen",
            "--quiet",
            "--no-emit-project",
            *groups,
            "--output-file",
            pins,
        ]
        run_command(export, description="Reading the lock file", folder=ROOT)
        wanted: list[str | Path] = (
            ["--constraint", _without_hashes(pins), *packages] if packages else ["--requirement", pins]
        )
        command: list[str | Path] = [
            uv(),
            "pip",
            "install",
            "--quiet",
            "--python",
            python,
            "--compile-bytecode",
            *wanted,
        ]
        run_command(command, description="Installing an environment", folder=ROOT)


def _without_hashes(pins: Path) -> Path:
    """Remove the hashes, which constraints must not have; the versions stay exact."""
    lines = pins.read_text(encoding="utf-8").splitlines()
    kept = [line.rstrip(" \\") for line in lines if not line.lstrip().startswith(("--hash", "#"))]
    pins.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return pins
