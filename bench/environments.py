"""Python environments of the peers, outside the work tree: each holds what its operator's image would hold.

Where the official `kubernetes` package is installed kopf imports it, so the development environment would add 10 MiB
to the operator under test.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.commands import output_of
from bench.errors import BenchError
from tests.cluster.folders import cache_folder
from tests.cluster.locking import waiting_lock
from tests.cluster.progress import say, showing

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
    parent = cache_folder() / "bench" / name
    parent.mkdir(parents=True, exist_ok=True)
    parts = (ROOT / "uv.lock").read_bytes(), sys.version.encode(), repr((groups, packages)).encode()
    home = parent / hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    python = home / "bin" / "python"
    with waiting_lock(parent / "lock", when_busy=lambda: say(f"Another run installs the {name} environment; waiting.")):
        # The mark comes last, so an installation that was interrupted is made anew.
        if not (home / "complete").exists():
            with showing(f"Installing the {name} environment", lambda: ""):
                _install(home, python, groups, packages)
            (home / "complete").touch()
    return python


def _install(home: Path, python: Path, groups: tuple[str, ...], packages: tuple[str, ...]) -> None:
    uv = _uv()
    output_of([uv, "venv", "--quiet", "--clear", "--python", sys.executable, home], what="Making an environment")
    with TemporaryDirectory() as folder:
        pins = Path(folder) / "pins.txt"
        export: list[str | Path] = [
            uv,
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
        command: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", python, "--compile-bytecode", *wanted]
        output_of(command, what="Installing an environment", folder=ROOT)


def _without_hashes(pins: Path) -> Path:
    """Constraints take no hashes; the versions stay exact."""
    lines = pins.read_text(encoding="utf-8").splitlines()
    kept = [line.rstrip(" \\") for line in lines if not line.lstrip().startswith(("--hash", "#"))]
    pins.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return pins


def _uv() -> str:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise BenchError("uv is neither on PATH nor named by UV: run the benchmark with `make bench`.")
    return uv
