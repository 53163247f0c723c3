"""The base image of the tests: Debian's Python 3.11 on a root file system that is assembled from packages.

It stands in for the public python:3.11-slim where no registry can be reached.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.environment.images import rootfs

if TYPE_CHECKING:
    from tests.environment.images.buildah import Buildah
    from tests.environment.images.packages import Apt, Package

# Packages compile bytecode in maintainer scripts, which do not run here; without it, every start of every server
# would compile the standard library again, because its root file system is read-only.
CONTAINERFILE: Final = """\
FROM scratch
ADD rootfs.tar /
RUN ["/usr/bin/busybox", "--install", "-s", "/usr/bin"]
RUN ["/usr/bin/python3", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", "/usr/lib/python3.11"]
ENV LANG=C.UTF-8
CMD ["/usr/bin/python3"]
"""


@dataclass(frozen=True)
class BaseImage:
    """The base image of one set of packages."""

    packages: tuple[Package, ...]

    def digest(self) -> str:
        """Hexadecimal SHA-256 of everything that makes the image."""
        parts = [CONTAINERFILE, Path(rootfs.__file__).read_text(), *(str(package) for package in self.packages)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def tag(self) -> str:
        return f"localhost/modelservice-base:py311-{self.digest()[:12]}"

    def ensure(self, buildah: Buildah, apt: Apt) -> None:
        """Build the image unless it is stored already. Raises ImagesError."""
        if buildah.has(self.tag):
            return
        with buildah.progress.step("base image: Debian packages"):
            debs = apt.fetch(self.packages)
        with buildah.progress.step("base image: building"), tempfile.TemporaryDirectory() as folder:
            rootfs.assemble(debs, Path(folder) / "rootfs.tar")
            (Path(folder) / "Dockerfile").write_text(CONTAINERFILE)
            buildah.build(Path(folder), tag=self.tag, options=("--layers=false",))
