"""Directories on the volume: a download is next to the published directory and replaces it with one rename (I7, I8).

Next to the published directory NAME there are `.NAME.json`, the marker that lists its files; `.NAME.partial`, the
unfinished download, which survives a killed loader and is resumed; and `.NAME.lock`. The marker is written before the
rename: a directory without a marker was not published by a loader.

Other pods may write to a claim. All of these names are therefore opened relative to the open parent directory, and no
link is followed: a link in the place of an unfinished download is removed, one in the place of the lock is refused.
"""

import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from model_loader.errors import LoaderError, Reason
from model_loader.manifest import Manifest
from model_loader.paths import Directory, is_unshared_file, list_parents, open_beneath
from model_loader.syscalls import sync_file_system

_UNSUPPORTED_LOCK_ERRNOS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
"""Errors of flock on file systems without locks (flock(2))."""
_LOCK_POLL_SECONDS = 0.2
_STALE_SECONDS = 24 * 3600.0
_MAX_SYNCED_FILES = 64
"""Of more files, each sync would write the journal of the file system: 3,000 take seconds instead of 50 ms."""
_TREE = "tree"
_REPLACED = "replaced"
_NEW_MARKER = "marker"


class Workspace:
    """The directory to publish, and the files and directories next to it. Close it, or use `with`."""

    def __init__(self, target: Path) -> None:
        """Open the parent directory and the lock, which are created. Raises LoaderError if that is not possible."""
        self._target = target
        self._name = target.name
        self._partial_name = f".{self._name}.partial"
        """Unique for each loader if the file system has no locks."""
        self._partial: Directory | None = None
        self._tree: Directory | None = None
        lock_name = f".{self._name}.lock"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._parent = Directory.open(target.parent)
            self._lock = self._parent.open_file(lock_name, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            if error.errno == errno.ELOOP:
                message = f"{target.parent / lock_name} is a link, or not a regular file. Delete it from the volume."
                raise LoaderError(Reason.LOADER_FAILED, message) from None
            cause = f"The directory {target.parent} cannot be written: {error.strerror}."
            message = f"{cause} Check model.cache and fsGroup."
            raise LoaderError(Reason.LOADER_FAILED, message) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close_partial()
        os.close(self._lock)
        self._parent.close()

    @property
    def partial(self) -> Directory:
        """Directory of the unfinished download."""
        if self._partial is None:
            self._partial = self._parent.replace_with_directory(self._partial_name)
        return self._partial

    @property
    def tree(self) -> Directory:
        """Directory that becomes the published one."""
        if self._tree is None:
            self._tree = self.partial.replace_with_directory(_TREE)
        return self._tree

    @contextmanager
    def lock(self, *, deadline: float, on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of the target directory. Raises LoaderError (Timeout) after `deadline`, in monotonic time.

        `on_wait` is called once if another loader holds the lock.
        """
        notified = False
        while not self._try_lock():
            if not notified:
                on_wait()
                notified = True
            if time.monotonic() > deadline:
                message = "Another loader still writes to the same directory of the claim."
                raise LoaderError(Reason.TIMEOUT, f"{message} It continues, and this pod retries.")
            time.sleep(_LOCK_POLL_SECONDS)
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _UNSUPPORTED_LOCK_ERRNOS:
                raise
            self._remove_stale_directories()
            self._partial_name = f".{self._name}.partial-{socket.gethostname()}-{os.getpid()}"
        return True

    def _remove_stale_directories(self) -> None:
        for name in self._parent.list_names():
            if not name.startswith(f"{self._partial_name}-"):
                continue
            with suppress(OSError):
                status = self._parent.get_status(name)
                if status is not None and time.time() - status.st_mtime > _STALE_SECONDS:
                    self._parent.remove(name)

    def read_published(self) -> Manifest | None:
        """Return the published manifest, or None if nothing is published or the files differ from the marker.

        The contents of the files were verified before they were published.
        """
        manifest = Manifest.from_json(self._parent.read_text(self._marker_name) or "")
        if manifest is None:
            return None
        try:
            target = self._parent.find_directory(self._name)
            if target is None:
                return None
            with target:
                return manifest if _find_difference(target, manifest) is None else None
        except OSError:
            return None

    def check_target_unclaimed(self) -> None:
        """Raise LoaderError if the target directory has contents that no loader published."""
        status = self._parent.get_status(self._name)
        if status is None or self._is_regular(self._marker_name):
            return
        target = self._parent.find_directory(self._name)
        if target is not None:
            with target:
                if not target.list_names():
                    return
        message = f"{self._target} exists and was not created by this loader; choose a directory that does not exist."
        raise LoaderError(Reason.LOADER_FAILED, message)

    def _is_regular(self, name: str) -> bool:
        status = self._parent.get_status(name)
        return status is not None and stat.S_ISREG(status.st_mode)

    def available_bytes(self) -> int:
        """Return the number of bytes that are available on the volume."""
        usage = os.fstatvfs(self._parent.descriptor)
        return usage.f_bavail * usage.f_frsize

    def publish(self, manifest: Manifest) -> Manifest:
        """Sync the tree to the disk, publish it with one rename, and return the published manifest.

        Raises LoaderError if the tree differs from the manifest.
        """
        if (difference := _find_difference(self.tree, manifest)) is not None:
            message = (
                f"The volume does not have the files that were written: {difference}. Its file system may not support"
                " their names, or another program writes to it."
            )
            raise LoaderError(Reason.LOADER_FAILED, message)
        self._sync_tree(manifest)
        self._remove_other_tree(manifest)
        self._write_marker(manifest)
        try:
            self._rename_tree()
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST} or (other := self.read_published()) is None:
                raise
            manifest = other  # another loader, without a lock, published first
        self._sync_parent()
        self.discard_partial()
        return manifest

    def _sync_tree(self, manifest: Manifest) -> None:
        """Write the files and their names to the disk. Few files are synced one by one."""
        if len(manifest.files) > _MAX_SYNCED_FILES and sync_file_system(self.tree.descriptor):
            return
        for file in manifest.files:
            descriptor = open_beneath(self.tree, file.path, flags=os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        self.tree.sync_all()

    def _remove_other_tree(self, manifest: Manifest) -> None:
        """Move a published tree of other contents away, or a damaged one, before its marker is replaced.

        Names and sizes do not distinguish them: the new marker must never be next to the old tree. Pods that mount it
        keep it until the partial directory is removed.
        """
        if self._parent.get_status(self._name) is None:
            return
        published = self.read_published()
        if published is None or published.digest != manifest.digest:
            self.partial.remove(_REPLACED)
            self._move(self._parent, self._name, self.partial, _REPLACED)

    def _rename_tree(self) -> None:
        self._move(self.partial, _TREE, self._parent, self._name)

    def _write_marker(self, manifest: Manifest) -> None:
        self.partial.remove(_NEW_MARKER)
        descriptor = self.partial.open_file(_NEW_MARKER, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(manifest.to_json())
            file.flush()
            os.fsync(file.fileno())
        status = self._parent.get_status(self._marker_name)
        if status is not None and stat.S_ISDIR(status.st_mode):
            self._parent.remove(self._marker_name)
        self._move(self.partial, _NEW_MARKER, self._parent, self._marker_name)

    @staticmethod
    def _move(source: Directory, name: str, target: Directory, new_name: str) -> None:
        os.rename(name, new_name, src_dir_fd=source.descriptor, dst_dir_fd=target.descriptor)

    def _sync_parent(self) -> None:
        self._parent.sync()

    @property
    def _marker_name(self) -> str:
        """Name of the file that lists the contents of the published directory."""
        return f".{self._name}.json"

    def discard_partial(self) -> None:
        """Remove the unfinished download."""
        self._close_partial()
        with suppress(OSError):
            self._parent.remove(self._partial_name)

    def _close_partial(self) -> None:
        for directory in (self._tree, self._partial):
            if directory is not None:
                directory.close()
        self._tree = self._partial = None


def _find_difference(directory: Directory, manifest: Manifest) -> str | None:
    """Return the first difference between the files of a directory and a manifest, or None.

    Names, types and sizes are compared, and that no two names are one file.
    """
    missing = {file.path: file.size for file in manifest.files}
    parents = list_parents(missing)
    for path, status in directory.walk():
        if stat.S_ISDIR(status.st_mode):
            if path not in parents:
                return f"{path!r} was added"
        elif (size := missing.pop(path, None)) is None:
            return f"{path!r} was added"
        elif not is_unshared_file(status):
            return f"{path!r} is a link, or not a regular file"
        elif status.st_size != size:
            return f"{path!r} has {status.st_size} bytes instead of {size}"
    return f"{min(missing)!r} is missing" if missing else None


def no_space_error(error: OSError) -> LoaderError | None:
    """Return the error for a write that failed because the volume is full, or None for other failures."""
    if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return None
    message = (
        f"The volume is full ({(error.strerror or '').lower()}). Raise model.cache.emptyDir.sizeLimit or use a larger"
        " claim, or delete old models from the claim."
    )
    return LoaderError(Reason.TOO_LARGE, message)
