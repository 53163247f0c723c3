"""The directory of finished archives, and what can be read back from one."""

from __future__ import annotations

import fcntl
import json
import os
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.environment.images.catalog import ImageName

KEPT: Final = 3


@dataclass(frozen=True)
class Image:
    """A built image: what manifests call it, its OCI archive, and its digest (`sha256:...` of the manifest).

    `cached` says that this run found the archive finished.
    """

    reference: str
    archive: Path
    digest: str
    cached: bool

    @property
    def megabytes(self) -> float:
        """Size of the archive in MiB, layers compressed."""
        return self.archive.stat().st_size / 2**20


@dataclass(frozen=True)
class Store:
    """Archives are named `<image>-<key>.tar`; a file of that name is always complete."""

    folder: Path

    @classmethod
    def of_this_user(cls) -> Store:
        """The store in the user's cache directory (XDG base directory specification)."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cls(cache / "modelservice" / "images")

    def archive(self, name: ImageName, key: str) -> Path:
        return self.folder / f"{name}-{key[:16]}.tar"

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store for one run; waits for another run to end. The lock ends with the process."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def prune(self, name: ImageName) -> None:
        """Delete all but the newest archives of one image."""
        archives = sorted(self.folder.glob(f"{name}-*.tar"), key=lambda path: path.stat().st_mtime, reverse=True)
        for archive in archives[KEPT:]:
            archive.unlink(missing_ok=True)


def manifest_digest(archive: Path) -> str:
    """Digest of the one image in an OCI archive (OCI image layout specification, index.json)."""
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        assert index is not None, f"{archive} is not an OCI archive"
        digest: str = json.load(index)["manifests"][0]["digest"]
    return digest
