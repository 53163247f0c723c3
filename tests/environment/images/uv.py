"""uv: the program that runs this project's commands, and its wheel for the image builds."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from tests.environment.images.catalog import REPOSITORY
from tests.environment.images.errors import ImagesError

REQUIREMENTS: Final = REPOSITORY / "requirements-uv.txt"
# Only fetches the wheel and checks its hash; uv itself has no `download`.
PIP: Final = "pip==26.3"
IMAGE_PYTHON: Final = "3.11"
"""Python of the base image: wheels are for one minor version."""


def find_uv() -> str:
    """Path of a uv. Raises ImagesError."""
    found = os.environ.get("UV") or shutil.which("uv")
    if not found:
        raise ImagesError(
            "uv is not on the PATH: run this through make, or as `uv run python -m tests.environment.images`."
        )
    return found


def ensure_wheel(folder: Path) -> Path:
    """The locked wheel of uv for this machine, downloaded into `folder` where it is missing. Raises ImagesError."""
    locked = set(re.findall(r"sha256:([0-9a-f]{64})", REQUIREMENTS.read_text()))
    wheel = _locked_wheel(folder, locked)
    if wheel is None:
        _download(folder)
        wheel = _locked_wheel(folder, locked)
    if wheel is None:
        raise ImagesError(f"No wheel of uv for this machine has a hash of {REQUIREMENTS}: update that file.")
    return wheel


def _locked_wheel(folder: Path, locked: set[str]) -> Path | None:
    wheels = folder.glob("uv-*.whl")
    return next((wheel for wheel in wheels if hashlib.sha256(wheel.read_bytes()).hexdigest() in locked), None)


def _download(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", f"--requirement={REQUIREMENTS}"]
    command = [find_uv(), "tool", "run", "--from", PIP, "pip", "download", "--quiet", *options, f"--dest={folder}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise ImagesError(f"The wheel of uv could not be downloaded: {answer.stderr.strip()}")


def write_cache(archive: Path) -> None:
    """Write a cache with the locked packages of the images, with which a build needs no network. Raises ImagesError."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for packages in ("--no-dev", "--only-group=loader"):
            sync = ("sync", "--frozen", "--quiet", "--no-install-project", packages, f"--python={IMAGE_PYTHON}")
            answer = subprocess.run(
                [find_uv(), *sync, f"--cache-dir={folder / 'cache'}", f"--project={REPOSITORY}"],
                env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder / "venv"), "UV_LINK_MODE": "copy"},
                capture_output=True,
                text=True,
                check=False,
            )
            if answer.returncode != 0:
                raise ImagesError(f"The packages of the images could not be downloaded: {answer.stderr.strip()}")
        with tarfile.open(archive, "w") as tar:
            tar.add(folder / "cache", arcname=".")
