"""Python environments of the peers, outside the work tree: each holds what its operator's image would hold.

Where the official `kubernetes` package is installed kopf imports it, so the development environment would add 10 MiB
to the operator under test.
"""

import hashlib
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.commands import output_of
from tests.environment.cluster.install import installed, uv

ROOT = Path(__file__).parents[1]
_TUTORIAL_PACKAGES = ("kopf", "kubernetes", "uvloop")
"""uvloop is no part of a tutorial: `kopf run` takes it where it is, and the comparison should not rest on it."""


def operator_python() -> Path:
    """Return the Python of an environment with the operator's locked dependencies and nothing else."""
    return _environment("operator", ("--no-dev",), ())


def tutorial_python() -> Path:
    """Return the Python of an environment with kopf and the official client, at the locked versions."""
    return _environment("tutorial", (), _TUTORIAL_PACKAGES)


def _environment(name: str, groups: tuple[str, ...], packages: tuple[str, ...]) -> Path:
    """Return the Python of the environment, installed once per lock file.

    `packages` are installed with what they need; without any, all that the lock file holds for `groups`.
    """
    parts = (ROOT / "uv.lock").read_bytes(), sys.version.encode(), repr((groups, packages)).encode()
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()
    return installed("bench", name, key, lambda home: _install(home, groups, packages)) / "bin" / "python"


def _install(home: Path, groups: tuple[str, ...], packages: tuple[str, ...]) -> None:
    python = home / "bin" / "python"
    output_of([uv(), "venv", "--quiet", "--clear", "--python", sys.executable, home], what="Making an environment")
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
        output_of(export, what="Reading the lock file", folder=ROOT)
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
        output_of(command, what="Installing an environment", folder=ROOT)


def _without_hashes(pins: Path) -> Path:
    """Constraints take no hashes; the versions stay exact."""
    lines = pins.read_text(encoding="utf-8").splitlines()
    kept = [line.rstrip(" \\") for line in lines if not line.lstrip().startswith(("--hash", "#"))]
    pins.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return pins
