"""The volume: what is being fetched lies beside what is published, and becomes it by one rename (rules I7 and I8).

Beside the published folder NAME there are `.NAME.json`, the marker that says what must be in it; `.NAME.partial`, which
outlives a killed loader and is gone on from; and `.NAME.lock`. The marker is written before the rename: a folder
without one was not published by us.
"""

import errno
import fcntl
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from model_loader.errors import LoaderError, Reason
from model_loader.manifest import Manifest

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
"""What file systems without locks answer to flock (flock(2))."""
_BETWEEN_TRIES = 0.2
_STALE = 24 * 3600.0


@dataclass(slots=True)
class Workspace:
    """The folder to publish, and what lies beside it."""

    to: Path
    suffix: str = "partial"
    """Tells the unfinished folders of several loaders apart where the file system has no locks."""

    @property
    def partial(self) -> Path:
        """Everything that is unfinished."""
        return self._beside(self.suffix)

    @property
    def tree(self) -> Path:
        """What becomes the published folder."""
        return self.partial / "tree"

    @property
    def marker(self) -> Path:
        """What the published folder must hold."""
        return self._beside("json")

    def prepare(self) -> None:
        """Make the parent folder; LoaderError when it cannot be written."""
        try:
            self.to.parent.mkdir(parents=True, exist_ok=True)
            with self._beside("lock").open("a"):
                pass
        except OSError as error:
            message = f"The folder {self.to.parent} cannot be written: {error.strerror}. Check model.cache and fsGroup."
            raise LoaderError(Reason.LOADER_FAILED, message) from None

    @contextmanager
    def locked(self, *, deadline: float, waiting: Callable[[], None]) -> Iterator[None]:
        """Be the only loader of this folder; `waiting` is called once when there is another. `deadline`: monotonic."""
        with self._beside("lock").open("a") as file:
            told = False
            while not self._lock(file.fileno()):
                if not told:
                    waiting()
                    told = True
                if time.monotonic() > deadline:
                    message = "Another loader still works on the same folder of the claim. It goes on by itself."
                    raise LoaderError(Reason.TIMEOUT, message)
                time.sleep(_BETWEEN_TRIES)
            yield

    def _lock(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            self.suffix = f"partial-{socket.gethostname()}-{os.getpid()}"
            self._remove_stale()
        return True

    def _remove_stale(self) -> None:
        for folder in self.to.parent.glob(f".{self.to.name}.partial-*"):
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > _STALE:
                    shutil.rmtree(folder)

    def published(self) -> Manifest | None:
        """What is published, when it is all there; None when there is nothing, or not what the marker says."""
        try:
            manifest = Manifest.from_json(self.marker.read_text())
        except (OSError, UnicodeDecodeError):
            return None
        return manifest if manifest is not None and self._holds(manifest) else None

    def check_free(self) -> None:
        """Refuse to take the place of what somebody else put there."""
        if self.marker.exists() or not self.to.exists():
            return
        if not self.to.is_dir() or any(self.to.iterdir()):
            message = f"{self.to} exists and was not published by this loader: name a folder that does not exist."
            raise LoaderError(Reason.LOADER_FAILED, message)

    def _holds(self, manifest: Manifest) -> bool:
        """Whether names and sizes are those of the marker; contents were verified before they were published."""
        wanted = {file.path: file.size for file in manifest.files}
        found: dict[str, int] = {}
        for folder, _, names in os.walk(self.to):
            for name in names:
                path = Path(folder, name)
                found[path.relative_to(self.to).as_posix()] = path.lstat().st_size
        return wanted == found

    def free_bytes(self) -> int:
        """Bytes that may still be written to the volume."""
        usage = os.statvfs(self.to.parent)
        return usage.f_bavail * usage.f_frsize

    def publish(self, manifest: Manifest) -> Manifest:
        """Make the tree visible, in one step; the files in it are synced already. Return what is published."""
        sync_folders(self.tree)
        self._write_marker(manifest)
        try:
            self._rename()
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST} or (other := self.published()) is None:
                raise
            manifest = other  # a loader that we cannot see was faster
        sync(self.to.parent)
        shutil.rmtree(self.partial, ignore_errors=True)
        return manifest

    def _rename(self) -> None:
        if self.to.exists() and self.published() is None:
            # Damaged: whoever has it mounted keeps it as it is, until the unfinished folder is removed.
            replaced = self.partial / "replaced"
            shutil.rmtree(replaced, ignore_errors=True)
            self.to.rename(replaced)
        self.tree.rename(self.to)

    def _write_marker(self, manifest: Manifest) -> None:
        unfinished = self.partial / "marker"
        with unfinished.open("w") as file:
            file.write(manifest.to_json())
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self.marker)

    def discard(self) -> None:
        """Forget what is unfinished."""
        shutil.rmtree(self.partial, ignore_errors=True)

    def _beside(self, suffix: str) -> Path:
        return self.to.parent / f".{self.to.name}.{suffix}"


def sync_folders(root: Path) -> None:
    """Make the names in every folder below `root` durable."""
    for folder, _, _ in os.walk(root):
        sync(Path(folder))


def sync(folder: Path) -> None:
    """Make the names in one folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def full(error: OSError) -> LoaderError | None:
    """What it means when a write fails because there is no room; None for other failures."""
    if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return None
    message = (
        f"The volume is full ({(error.strerror or '').lower()}): give model.cache more room"
        " (emptyDir.sizeLimit, or a larger claim), or remove old models from the claim."
    )
    return LoaderError(Reason.TOO_LARGE, message)
