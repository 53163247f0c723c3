"""The Python distributions: wheel and sdist."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from release.errors import ReleaseError
from release.settings import REPOSITORY
from tests.environment.images.uv import find_uv

if TYPE_CHECKING:
    from pathlib import Path


def build_distributions(directory: Path, *, epoch: int) -> None:
    """Write wheel and sdist. Raises ReleaseError."""
    command = [
        find_uv(),
        "build",
        "--offline",
        "--quiet",
        "--wheel",
        "--sdist",
        f"--out-dir={directory}",
        str(REPOSITORY),
    ]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(epoch)}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise ReleaseError(f"uv cannot build the distributions: {answer.stderr.strip()}")
    (directory / ".gitignore").unlink(missing_ok=True)
