"""install.yaml: the installation for the whole cluster as one file, and the chart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from release.errors import ReleaseError
from release.settings import DEFAULT_PREFIX, REPOSITORY
from tests.environment.cluster.build import programs
from tests.environment.cluster.programs import Program

if TYPE_CHECKING:
    from release.settings import Names

CHART: Final = REPOSITORY / "charts" / "modelservice-operator"
IMAGES: Final = ("operator", "loader")


def render_install(names: Names) -> str:
    """Return manifests/ with the images of the release. Raises ReleaseError."""
    with tempfile.TemporaryDirectory() as temporary:
        overlay = Path(temporary).resolve()
        images = [
            {
                "name": f"{DEFAULT_PREFIX}/{image}",
                "newName": f"{names.image_prefix}/{image}",
                "newTag": names.tag,
            }
            for image in IMAGES
        ]
        resources = [os.path.relpath(REPOSITORY / "manifests", overlay)]
        # JSON is YAML too.
        (overlay / "kustomization.yaml").write_text(json.dumps({"resources": resources, "images": images}))
        return _run(programs([Program.KUBECTL])[Program.KUBECTL], "kustomize", overlay)


def package_chart(directory: Path, names: Names, *, epoch: int) -> None:
    """Write the archive of the chart. Raises ReleaseError."""
    arguments = ("chart", directory, "--image-prefix", names.image_prefix, "--tag", names.tag)
    _run(sys.executable, "-m", "tests.environment.packaging", *arguments, epoch=epoch)


def _run(program: str | Path, *arguments: str | Path, epoch: int = 0) -> str:
    answer = subprocess.run(
        [program, *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"SOURCE_DATE_EPOCH": str(epoch)},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise ReleaseError(f"{' '.join(map(str, (program, *arguments)))} failed: {answer.stderr.strip()}")
    return answer.stdout
