"""install.yaml and the chart, with the images of the release."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from release.errors import ReleaseError
from release.settings import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from release.settings import Names


def render_install(names: Names) -> str:
    """Return manifests/ as one file. Raises ReleaseError."""
    return _run_packaging("install-yaml", names=names)


def package_chart(directory: Path, names: Names, *, epoch: int) -> None:
    """Write the archive of the chart. Raises ReleaseError."""
    _run_packaging("chart", str(directory), names=names, epoch=epoch)


def _run_packaging(*arguments: str, names: Names, epoch: int = 0) -> str:
    images = ("--image-prefix", names.image_prefix, "--tag", names.tag)
    answer = subprocess.run(
        [sys.executable, "-m", "tests.environment.packaging", *arguments, *images],
        cwd=REPOSITORY,
        env=os.environ | {"SOURCE_DATE_EPOCH": str(epoch)},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise ReleaseError(f"{arguments[0]} of tests.environment.packaging failed: {answer.stderr.strip()}")
    return answer.stdout
