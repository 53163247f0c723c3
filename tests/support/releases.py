"""Releases that are built from copies of the work tree."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from release.image import OciImage

ROOT = Path(__file__).parents[2]
PREFIX = "registry.example/team"
IMAGES = ("operator", "loader")
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Release",
    "GIT_AUTHOR_EMAIL": "release@example.com",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_NAME": "Release",
    "GIT_COMMITTER_EMAIL": "release@example.com",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
}


@dataclass(frozen=True)
class Release:
    """The files of a release."""

    directory: Path

    def archive(self, image: str) -> Path:
        """Return the archive of an image."""
        [path] = self.directory.glob(f"{image}-*.tar")
        return path

    def image(self, image: str) -> OciImage:
        """Read an image."""
        return OciImage.read(self.archive(image))

    def text(self, pattern: str) -> str:
        """Return the only file whose name matches."""
        [path] = self.directory.glob(pattern)
        return path.read_text()


def copy_as_commit(directory: Path, *, source: Path = ROOT) -> Path:
    """Copy the files of a work tree and commit them: equal files give the same commit in every directory."""
    listing = subprocess.run(
        ["git", "-C", source, "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listing.stdout.split("\0")):
        if (source / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, directory / name)
    for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--no-gpg-sign", "--message=Release")):
        subprocess.run(["git", "-C", directory, *command], env=os.environ | _IDENTITY, check=True)
    return directory


def run_release(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the release command of a copy, in that copy."""
    return subprocess.run(
        [sys.executable, "-m", "release", "--image-prefix", PREFIX, *options],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
