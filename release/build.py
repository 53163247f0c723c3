"""All files of a release, with their checksums."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from release.distributions import build_distributions
from release.errors import ReleaseError
from release.images import ImageBuilder
from release.manifests import package_chart, render_install
from release.notes import section
from release.settings import REPOSITORY
from release.source import Commit

if TYPE_CHECKING:
    from release.settings import Names
    from tests.environment.images import Progress

CHECKSUMS: Final = "SHA256SUMS"
INSTALL: Final = "install.yaml"
_NAMED_FILES: Final = 3


def build_release(names: Names, directory: Path, progress: Progress, *, fresh: bool = False) -> Commit:
    """Write a release into `directory`, in place of an earlier one. Raises ReleaseError and ImagesError."""
    refuse_other_files(directory)
    commit = Commit.of(REPOSITORY)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".release-") as temporary:
        draft = Path(temporary) / "dist"
        draft.mkdir()
        with progress.step("wheel, sdist, manifests, chart"):
            build_distributions(draft, epoch=commit.epoch)
            (draft / INSTALL).write_text(render_install(names))
            package_chart(draft, names, epoch=commit.epoch)
            (draft / "release-notes.md").write_text(section((REPOSITORY / "CHANGELOG.md").read_text(), names.version))
        ImageBuilder(names, commit, progress, fresh).write(draft)
        (draft / CHECKSUMS).write_text(_checksums(draft))
        shutil.rmtree(directory, ignore_errors=True)
        draft.rename(directory)
    return commit


def refuse_other_files(directory: Path) -> None:
    """Raise ReleaseError unless all files are of an earlier release or what `make install-yaml` writes."""
    if not directory.exists():
        return
    checksums = directory / CHECKSUMS
    lines = checksums.read_text().splitlines() if checksums.is_file() else []
    ours = {CHECKSUMS, INSTALL, *(line.partition("  ")[2] for line in lines)}
    others = sorted(path.name for path in directory.iterdir() if path.name not in ours)
    if others:
        named = ", ".join([*others[:_NAMED_FILES], *(["..."] if len(others) > _NAMED_FILES else [])])
        raise ReleaseError(f"{directory} has files that are not of a release ({named}): choose an empty directory.")


def _checksums(directory: Path) -> str:
    lines = (f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(directory.iterdir()))
    return "".join(lines)
