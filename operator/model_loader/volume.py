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

_UNSUPPORTED_LOCK_ERRNOS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
"""What file systems without locks answer to flock (flock(2))."""
_LOCK_POLL_SECONDS = 0.2
_STALE_SECONDS = 24 * 3600.0


@dataclass(slots=True)
class Workspace:
    """The folder to publish, and what lies beside it."""

    target: Path
    partial_suffix: str = "partial"
    """Tells the unfinished folders of several loaders apart where the file system has no locks."""

    @property
    def partial_directory(self) -> Path:
        """Everything that is unfinished."""
        return self._sibling(self.partial_suffix)

    @property
    def tree(self) -> Path:
        """What becomes the published folder."""
        return self.partial_directory / "tree"

    @property
    def marker(self) -> Path:
        """What the published folder must hold."""
        return self._sibling("json")

    def prepare(self) -> None:
        """Make the parent folder; LoaderError when it cannot be written."""
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            with self._sibling("lock").open("a"):
                pass
        except OSError as error:
            message = (
                f"The folder {self.target.parent} cannot be written: {error.strerror}. Check model.cache and fsGroup."
            )
            raise LoaderError(Reason.LOADER_FAILED, message) from None

    @contextmanager
    def lock(self, *, deadline: float, on_wait: Callable[[], None]) -> Iterator[None]:
        """Be the only loader of this folder; `waiting` is called once when there is another. `deadline`: monotonic."""
        with self._sibling("lock").open("a") as file:
            notified = False
            while not self._try_lock(file.fileno()):
                if not notified:
                    on_wait()
                    notified = True
                if time.monotonic() > deadline:
                    message = "Another loader still works on the same folder of the claim. It goes on by itself."
                    raise LoaderError(Reason.TIMEOUT, message)
                time.sleep(_LOCK_POLL_SECONDS)
            yield

    def _try_lock(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _UNSUPPORTED_LOCK_ERRNOS:
                raise
            self.partial_suffix = f"partial-{socket.gethostname()}-{os.getpid()}"
            self._remove_stale()
        return True

    def _remove_stale(self) -> None:
        for directory in self.target.parent.glob(f".{self.target.name}.partial-*"):
            with suppress(OSError):
                if time.time() - directory.stat().st_mtime > _STALE_SECONDS:
                    shutil.rmtree(directory)

    def read_published(self) -> Manifest | None:
        """What is published, when it is all there; None when there is nothing, or not what the marker says."""
        try:
            manifest = Manifest.from_json(self.marker.read_text())
        except (OSError, UnicodeDecodeError):
            return None
        return manifest if manifest is not None and self._matches_disk(manifest) else None

    def check_target_unclaimed(self) -> None:
        """Refuse to take the place of what somebody else put there."""
        if self.marker.exists() or not self.target.exists():
            return
        if not self.target.is_dir() or any(self.target.iterdir()):
            message = f"{self.target} exists and was not published by this loader: name a folder that does not exist."
            raise LoaderError(Reason.LOADER_FAILED, message)

    def _matches_disk(self, manifest: Manifest) -> bool:
        """Whether names and sizes are those of the marker; contents were verified before they were published."""
        expected = {file.path: file.size for file in manifest.files}
        found: dict[str, int] = {}
        for directory, _, names in os.walk(self.target):
            for name in names:
                path = Path(directory, name)
                found[path.relative_to(self.target).as_posix()] = path.lstat().st_size
        return expected == found

    def available_bytes(self) -> int:
        """Bytes that may still be written to the volume."""
        usage = os.statvfs(self.target.parent)
        return usage.f_bavail * usage.f_frsize

    def publish(self, manifest: Manifest) -> Manifest:
        """Make the tree visible, in one step; the files in it are synced already. Return what is published."""
        sync_directories(self.tree)
        self._write_marker(manifest)
        try:
            self._rename_tree()
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST} or (other := self.read_published()) is None:
                raise
            manifest = other  # a loader that we cannot see was faster
        sync_directory(self.target.parent)
        shutil.rmtree(self.partial_directory, ignore_errors=True)
        return manifest

    def _rename_tree(self) -> None:
        if self.target.exists() and self.read_published() is None:
            # Damaged: whoever has it mounted keeps it as it is, until the unfinished folder is removed.
            replaced = self.partial_directory / "replaced"
            shutil.rmtree(replaced, ignore_errors=True)
            self.target.rename(replaced)
        self.tree.rename(self.target)

    def _write_marker(self, manifest: Manifest) -> None:
        temporary = self.partial_directory / "marker"
        with temporary.open("w") as file:
            file.write(manifest.to_json())
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self.marker)

    def discard_partial(self) -> None:
        """Forget what is unfinished."""
        shutil.rmtree(self.partial_directory, ignore_errors=True)

    def _sibling(self, suffix: str) -> Path:
        return self.target.parent / f".{self.target.name}.{suffix}"


def sync_directories(root: Path) -> None:
    """Make the names in every folder below `root` durable."""
    for directory, _, _ in os.walk(root):
        sync_directory(Path(directory))


def sync_directory(directory: Path) -> None:
    """Make the names in one folder durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def no_space_error(error: OSError) -> LoaderError | None:
    """What it means when a write fails because there is no room; None for other failures."""
    if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return None
    message = (
        f"The volume is full ({(error.strerror or '').lower()}): give model.cache more room"
        " (emptyDir.sizeLimit, or a larger claim), or remove old models from the claim."
    )
    return LoaderError(Reason.TOO_LARGE, message)
