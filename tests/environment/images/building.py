"""From a name to an OCI archive: decide by content whether there is anything to do, and do it once."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.environment.images import rootfs
from tests.environment.images.base import BaseImage
from tests.environment.images.buildah import Buildah, ensure_installed
from tests.environment.images.catalog import RECIPES, ImageName, Recipe
from tests.environment.images.context import Context
from tests.environment.images.packages import Apt, Package
from tests.environment.images.progress import Progress, Silence
from tests.environment.images.store import Image, Store, manifest_digest
from tests.environment.images.uv import ensure_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable


def build(
    names: ImageName | Iterable[ImageName] | None = None,
    *,
    progress: Progress | None = None,
    store: Store | None = None,
) -> dict[ImageName, Image]:
    """Build the named images (default: all that are shipped) unless they were built before. Raises ImagesError.

    Nothing of an earlier build is used with an empty `store`. Runs of several processes wait for each other. Takes
    about a second when nothing changed, half a minute cold.
    """
    default = [name for name, recipe in RECIPES.items() if recipe.is_default]
    chosen = [names] if isinstance(names, ImageName) else list(names or default)
    builder = _Builder.prepare(store or Store.of_this_user(), progress or Silence())
    return {name: builder.image(name) for name in chosen}


def write_base(archive: Path, *, reference: str) -> None:
    """Write the image on which the shipped ones are built as an OCI archive. Raises ImagesError."""
    store = Store.of_this_user()
    builder = _Builder.prepare(store, Silence())
    with store.locked():
        buildah = Buildah(store.folder, store.log("base"), builder.progress)
        builder.base.ensure(buildah, builder.apt)
        buildah.push(builder.base.tag, archive, reference=reference)


def cache_key(
    context: Context,
    recipe: Recipe,
    *,
    base: str,
    builder: str,
    packages: tuple[Package, ...] = (),
) -> str:
    """Hexadecimal SHA-256 over all that decides an image's content: equal keys, equal images.

    `base` is the base image's digest, `builder` the builder's version. The Dockerfile, the lock and the hash of uv's
    wheel are part of the context.
    """
    parts = (context.digest(), recipe.reference, str(recipe.target), base, builder, *map(str, packages))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class _Builder:
    store: Store
    progress: Progress
    apt: Apt
    base: BaseImage
    version: str

    @classmethod
    def prepare(cls, store: Store, progress: Progress) -> _Builder:
        apt = Apt(store.folder / "packages")
        (store.folder / "logs").mkdir(parents=True, exist_ok=True)
        version = ensure_installed(apt)
        return cls(store, progress, apt, BaseImage(apt.candidates()), version)

    def image(self, name: ImageName) -> Image:
        recipe = RECIPES[name]
        context = Context.read(recipe.folder)
        packages = Apt(self.apt.folder, recipe.packages).candidates() if recipe.packages else ()
        key = cache_key(
            context,
            recipe,
            base=self.base.digest(),
            builder=self.version,
            packages=packages,
        )
        archive = self.store.archive(name, key)
        cached = archive.exists()
        if not cached:
            with self.store.locked():
                if not archive.exists():  # the run that held the lock may have built it
                    self._build(name, context, archive)
        os.utime(archive)  # in use: pruning reads this
        return Image(recipe.reference, archive, manifest_digest(archive), cached)

    def _build(self, name: ImageName, context: Context, archive: Path) -> None:
        recipe = RECIPES[name]
        log = self.store.log(name)
        log.unlink(missing_ok=True)
        buildah = Buildah(self.store.folder, log, self.progress)
        buildah.tidy()
        self.base.ensure(buildah, self.apt)
        with self.progress.step(f"{name}: building"), tempfile.TemporaryDirectory() as folder:
            context.write(Path(folder))
            shutil.copy2(ensure_wheel(self.store.folder / "wheels"), folder)
            self._add_packages(recipe, Path(folder))
            buildah.build(Path(folder), tag=f"localhost/{name}", options=self._options(recipe))
        with self.progress.step(f"{name}: writing the archive"):
            unfinished = archive.with_suffix(".part")
            unfinished.unlink(missing_ok=True)
            buildah.push(f"localhost/{name}", unfinished, reference=recipe.reference)
            unfinished.rename(archive)
        self.store.prune(name)

    def _add_packages(self, recipe: Recipe, folder: Path) -> None:
        if recipe.packages:
            apt = Apt(self.apt.folder, recipe.packages)
            rootfs.assemble_packages(apt.fetch(apt.candidates()), folder / "packages.tar")

    def _options(self, recipe: Recipe) -> tuple[str, ...]:
        target = (f"--target={recipe.target}",) if recipe.target else ()
        return ("--layers", f"--build-arg=BASE_IMAGE={self.base.tag}", *target)
