"""Archives of the images, with what is inside: a bill of materials and licences for each."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from release.image import OciImage
from release.licences import LicencePolicy
from release.packages import find_packages
from release.sbom import build_sbom
from tests.environment import images
from tests.environment.images import ImageName, Progress, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from release.settings import Names
    from release.source import Commit

RELEASED: Final = (ImageName.OPERATOR, ImageName.LOADER)
_LABEL: Final = "org.opencontainers.image"
DOWNLOADS: Final = ("packages", "wheels")
LIST: Final = "images.txt"
"""File with a line for each image: reference, digest, architecture, archive."""


@dataclass(frozen=True)
class ImageBuilder:
    """Builds the images of a release. `fresh` uses nothing of an earlier build but the downloaded Debian packages."""

    names: Names
    commit: Commit
    progress: Progress
    fresh: bool = False

    def write(self, directory: Path) -> None:
        """Write the files of all images. Raises ImagesError, and ReleaseError if a licence is not allowed."""
        lines = [self._write_image(directory, name, image) for name, image in self._built().items()]
        (directory / LIST).write_text("".join(f"{line}\n" for line in lines))

    def _built(self) -> dict[ImageName, OciImage]:
        with _empty_store() if self.fresh else nullcontext(Store.of_this_user()) as store:
            built = images.build(RELEASED, progress=self.progress, store=store)
            return {name: OciImage.read(image.archive) for name, image in built.items()}

    def _write_image(self, directory: Path, name: ImageName, built: OciImage) -> str:
        epoch = self.commit.epoch
        # Not by build arguments: buildah takes a cached step for a LABEL with other values.
        labels = {f"{_LABEL}.version": self.names.tag, f"{_LABEL}.revision": self.commit.revision}
        image = built.stamped(epoch, labels)
        reference = self.names.reference(name)
        packages, policy = find_packages(image.files()), LicencePolicy.load()
        policy.check(packages)
        stem = f"{name}-{self.names.tag}-linux-{image.architecture}"
        (directory / f"{stem}.tar").write_bytes(image.archive(reference, epoch=epoch))
        (directory / f"{stem}.cdx.json").write_text(build_sbom(reference, image, packages, policy, epoch=epoch))
        (directory / f"{stem}.licences.txt").write_text(policy.document(reference, packages))
        return f"{reference} {image.digest} {image.architecture} {stem}.tar"


@contextmanager
def _empty_store() -> Iterator[Store]:
    """Give a store without images in a temporary directory. buildah leaves its directory mounted on itself."""
    with tempfile.TemporaryDirectory() as name:
        store = Store(Path(name))
        for downloads in (Store.of_this_user().folder / part for part in DOWNLOADS):
            if downloads.is_dir():
                shutil.copytree(downloads, store.folder / downloads.name)
        try:
            yield store
        finally:
            mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
            for mount in sorted((one for one in mounts if one.startswith(f"{name}/")), reverse=True):
                subprocess.run(["umount", mount], check=True)
