"""The Debian packages of the test base image: which, in what versions, and fetching them with apt.

The names are fixed here, the versions are those of the machine's package lists: a security update of Debian changes
the cache key and with it the images.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.environment.images.errors import ImagesError

if TYPE_CHECKING:
    from pathlib import Path

# The libraries that python3.11 links to or imports, and those that binary wheels expect of a system (libgcc,
# libstdc++). The shell is for RUN steps, and gcc-12-base has only the licences of libgcc and libstdc++. Left out on
# purpose: apt, dpkg, perl, and tools of maintainer scripts.
NAMES: Final = (
    "base-files",
    "busybox",
    "ca-certificates",
    "gcc-12-base",
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libncursesw6",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libsqlite3-0",
    "libssl3",
    "libstdc++6",
    "libtinfo6",
    "libuuid1",
    "python3.11",
    "python3.11-minimal",
    "tzdata",
    "zlib1g",
)
_URI_LINE: Final = re.compile(r"'[^']+' (?P<file>\S+) \d+ SHA256:(?P<sha256>[0-9a-f]{64})")


@dataclass(frozen=True)
class Package:
    """A package file by the name that apt gives it (with version and architecture) and its SHA-256."""

    file: str
    sha256: str


def parse_uris(listing: str) -> tuple[Package, ...]:
    """Packages of the output of `apt-get download --print-uris`, sorted by file name."""
    found = (Package(match["file"], match["sha256"]) for match in _URI_LINE.finditer(listing))
    return tuple(sorted(found, key=lambda package: package.file))


@dataclass(frozen=True)
class Apt:
    """Debian's apt-get, with its own index cache in `folder` (many container images switch the system's off)."""

    folder: Path
    names: tuple[str, ...] = NAMES

    @property
    def _files(self) -> Path:
        return self.folder / "files"

    def candidates(self) -> tuple[Package, ...]:
        """The packages `names` as this machine would fetch them. Raises ImagesError.

        The package lists are brought up to date when something new would be fetched: mirrors drop a version as soon
        as the next one arrives.
        """
        packages = self._listed()
        if not packages or not all(path.exists() for path in self._paths(packages)):
            self._update()
            packages = self._listed()
        if len(packages) != len(self.names):
            raise ImagesError(
                "apt-get does not find the packages of the images. They are those of Debian 12 (bookworm):"
                f" {', '.join(self.names)}."
            )
        return packages

    def fetch(self, packages: tuple[Package, ...]) -> list[Path]:
        """The package files, downloaded where they are missing. apt checks their hashes. Raises ImagesError."""
        paths = self._paths(packages)
        if not all(path.exists() for path in paths):
            answer = self._run("download", *self.names, where=self._files)
            if answer.returncode != 0:
                raise ImagesError(f"apt-get could not fetch the packages of the images: {_reason(answer)}")
        return paths

    def install(self, name: str) -> None:
        """Install a package on this machine; needs root. Raises ImagesError."""
        self._update()
        answer = self._run("install", "--yes", "--no-install-recommends", name)
        if answer.returncode != 0:
            raise ImagesError(f"apt-get could not install {name}: {_reason(answer)}")

    def _listed(self) -> tuple[Package, ...]:
        # Asked in another directory than the files': apt-get lists no file that it finds where it runs.
        return parse_uris(self._run("download", "--print-uris", *self.names).stdout)

    def _paths(self, packages: tuple[Package, ...]) -> list[Path]:
        return [self._files / package.file for package in packages]

    def _update(self) -> None:
        if os.geteuid() == 0:  # without root the lists stay as they are
            self._run("update")

    def _run(self, *arguments: str, where: Path | None = None) -> subprocess.CompletedProcess[str]:
        if shutil.which("apt-get") is None:
            raise ImagesError(
                "Images are assembled from Debian packages, and there is no apt-get here: use Debian or Ubuntu,"
                " or build with Docker (docker build --target operator .)."
            )
        where = where or self.folder
        where.mkdir(parents=True, exist_ok=True)
        options = (
            f"Dir::Cache::pkgcache={self.folder / 'index.bin'}",
            "APT::Sandbox::User=root",
            "DPkg::Lock::Timeout=120",
        )
        command = ["apt-get", "--quiet", *(f"--option={option}" for option in options), *arguments]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)


def _reason(answer: subprocess.CompletedProcess[str]) -> str:
    lines = answer.stderr.strip().splitlines() or answer.stdout.strip().splitlines()
    return lines[-1] if lines else f"exit code {answer.returncode}"
