"""Directories on the volume: a download is next to the published directory and replaces it with one rename (I7, I8).

Next to the published directory NAME there are `.NAME.json`, the marker that lists its files; `.NAME.partial`, the
unfinished download, which survives a killed loader and is resumed; and `.NAME.lock`. The marker is written before the
rename: a directory without a marker was not published by a loader.
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
"""Errors of flock on file systems without locks (flock(2))."""
_LOCK_POLL_SECONDS = 0.2
_STALE_SECONDS = 24 * 3600.0


@dataclass(slots=True)
class Workspace:
    """The directory to publish, and the files and directories next to it."""

    target: Path
    partial_suffix: str = "partial"
    """Unique for each loader if the file system has no locks."""

    @property
    def partial_directory(self) -> Path:
        """Directory of the unfinished download."""
        return self._sibling(self.partial_suffix)

    @property
    def tree(self) -> Path:
        """Directory that becomes the published one."""
        return self.partial_directory / "tree"

    @property
    def marker(self) -> Path:
        """File that lists the contents of the published directory."""
        return self._sibling("json")

    def prepare(self) -> None:
        """Create the parent directory. Raises LoaderError if it is not writable."""
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            with self._sibling("lock").open("a"):
                pass
        except OSError as error:
            cause = f"The directory {self.target.parent} cannot be written: {error.strerror}."
            message = f"{cause} Check model.cache and fsGroup."
            raise LoaderError(Reason.LOADER_FAILED, message) from None

    @contextmanager
    def lock(self, *, deadline: float, on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of the target directory. Raises LoaderError (Timeout) after `deadline`, in monotonic time.

        `on_wait` is called once if another loader holds the lock.
        """
        with self._sibling("lock").open("a") as file:
            notified = False
            while not self._try_lock(file.fileno()):
                if not notified:
                    on_wait()
                    notified = True
                if time.monotonic() > deadline:
                    message = "Another loader still writes to the same directory of the claim."
                    raise LoaderError(Reason.TIMEOUT, f"{message} It continues, and this pod retries.")
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
            self._remove_stale_directories()
        return True

    def _remove_stale_directories(self) -> None:
        for directory in self.target.parent.glob(f".{self.target.name}.partial-*"):
            with suppress(OSError):
                if time.time() - directory.stat().st_mtime > _STALE_SECONDS:
                    shutil.rmtree(directory)

    def read_published(self) -> Manifest | None:
        """Return the published manifest, or None if nothing is published or the files differ from the marker."""
        try:
            manifest = Manifest.from_json(self.marker.read_text())
        except (OSError, UnicodeDecodeError):
            return None
        return manifest if manifest is not None and self._matches_disk(manifest) else None

    def check_target_unclaimed(self) -> None:
        """Raise LoaderError if the target directory has contents that no loader published."""
        if self.marker.exists() or not self.target.exists():
            return
        if not self.target.is_dir() or any(self.target.iterdir()):
            message = (
                f"{self.target} exists and was not created by this loader; choose a directory that does not exist."
            )
            raise LoaderError(Reason.LOADER_FAILED, message)

    def _matches_disk(self, manifest: Manifest) -> bool:
        """Return True if names and sizes of the files are those of the manifest.

        Their contents were verified before they were published.
        """
        expected = {file.path: file.size for file in manifest.files}
        found: dict[str, int] = {}
        for directory, _, names in os.walk(self.target):
            for name in names:
                path = Path(directory, name)
                found[path.relative_to(self.target).as_posix()] = path.lstat().st_size
        return expected == found

    def available_bytes(self) -> int:
        """Return the number of bytes that are available on the volume."""
        usage = os.statvfs(self.target.parent)
        return usage.f_bavail * usage.f_frsize

    def publish(self, manifest: Manifest) -> Manifest:
        """Publish the tree with one rename and return the published manifest. The files must be synced already."""
        sync_directories(self.tree)
        self._write_marker(manifest)
        try:
            self._rename_tree()
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST} or (other := self.read_published()) is None:
                raise
            manifest = other  # another loader, without a lock, published first
        sync_directory(self.target.parent)
        shutil.rmtree(self.partial_directory, ignore_errors=True)
        return manifest

    def _rename_tree(self) -> None:
        if self.target.exists() and self.read_published() is None:
            # A damaged tree. Pods that mount it keep it until the partial directory is removed.
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
        """Remove the unfinished download."""
        shutil.rmtree(self.partial_directory, ignore_errors=True)

    def _sibling(self, suffix: str) -> Path:
        return self.target.parent / f".{self.target.name}.{suffix}"


def sync_directories(root: Path) -> None:
    """Sync every directory below `root`, so that the names in it survive a crash."""
    for directory, _, _ in os.walk(root):
        sync_directory(Path(directory))


def sync_directory(directory: Path) -> None:
    """Sync one directory."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def no_space_error(error: OSError) -> LoaderError | None:
    """Return the error for a write that failed because the volume is full, or None for other failures."""
    if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return None
    message = (
        f"The volume is full ({(error.strerror or '').lower()}). Raise model.cache.emptyDir.sizeLimit or use a larger"
        " claim, or delete old models from the claim."
    )
    return LoaderError(Reason.TOO_LARGE, message)
