"""The files of a directory that a builder sees, and their digest.

Only names, contents and the executable bit count: times, owners and umask differ between checkouts of one commit.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Self

from tests.environment.images.errors import ImagesError
from tests.environment.images.ignoring import IgnoreRules

IGNORE_FILE: Final = PurePosixPath(".dockerignore")
DOCKERFILE: Final = PurePosixPath("Dockerfile")
# The builder's own cache compares times too; any fixed one after 1980 (the zip epoch) will do.
FIXED_TIME: Final = 631152000


@dataclass(frozen=True)
class ContextFile:
    """One file, by its path relative to the context's directory."""

    path: PurePosixPath
    content: bytes
    executable: bool = False


@dataclass(frozen=True)
class Context:
    """The Dockerfile and the files that it may copy, sorted by path."""

    files: tuple[ContextFile, ...]

    @classmethod
    def of(cls, files: list[ContextFile]) -> Self:
        """Context of `files` in any order, without what their .dockerignore leaves out."""
        texts = {file.path: file.content for file in files}
        rules = IgnoreRules.parse(texts.get(IGNORE_FILE, b"").decode())
        kept = (file for file in files if file.path in {IGNORE_FILE, DOCKERFILE} or not rules.excludes(file.path))
        return cls(tuple(sorted(kept, key=lambda file: file.path)))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The files of `folder` that git tracks or would track. Raises ImagesError outside a work tree."""
        paths = (Path(name) for name in _listed_by_git(folder))
        return cls.of([_read_file(folder, path) for path in paths if (folder / path).is_file()])

    def digest(self) -> str:
        """Hexadecimal SHA-256 of everything that the builder sees."""
        total = hashlib.sha256()
        for file in self.files:
            total.update(f"{file.path}\0{file.executable}\0{len(file.content)}\0".encode())
            total.update(file.content)
        return total.hexdigest()

    def write(self, folder: Path) -> None:
        """Lay the files out in the empty `folder`, with the same times and modes on every machine."""
        for file in self.files:
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
            path.chmod(0o755 if file.executable else 0o644)
        for path in (folder, *folder.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)
            os.utime(path, (FIXED_TIME, FIXED_TIME))


def _listed_by_git(folder: Path) -> list[str]:
    command = ["git", "-C", str(folder), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        raise ImagesError(f"git cannot list the files of {folder}: {listing.stderr.strip()}")
    return sorted({name for name in listing.stdout.split("\0") if name})


def _read_file(folder: Path, path: Path) -> ContextFile:
    full = folder / path
    return ContextFile(PurePosixPath(path), full.read_bytes(), executable=os.access(full, os.X_OK))
