"""Conversion of names from a store to paths on the disk (rule I4). No other module writes files by such names.

Each segment of a name is validated, and each directory is opened relative to its parent without following links. So
nothing is read, written or removed outside the target directory, whatever names a store lists and whatever links
another program puts on the volume.
"""

import errno
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, Self

from model_loader.errors import LoaderError, Reason

MAX_PART_BYTES = 255
"""Maximum length of a file name (Linux, NAME_MAX)."""
MAX_PATH_BYTES = 1024
"""Maximum length of a path below the target. PATH_MAX is 4096 on Linux and 1024 on other systems."""
MAX_PARTS = 32
_PLAIN_PATH = re.compile(r"(?!(?:.*/)?\.{0,2}(?:/|\Z))[ -\[\]-~]{1,255}")
"""Paths of visible ASCII without a segment that is empty or relative: most names, for which this is all to check."""
_MAX_QUOTED_CHARS = 200
_FILE_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""Without O_NONBLOCK, opening a named pipe waits for another program."""
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def validate_path(name: str) -> str:
    """Return `name` if it is a safe relative path. Raises LoaderError (UnsupportedKey) otherwise."""
    if _PLAIN_PATH.fullmatch(name) and name.count("/") < MAX_PARTS:
        return name
    parts = name.split("/")
    problem = _find_name_problem(name) or next(
        (problem for part in parts if (problem := _find_part_problem(part))), None
    )
    if problem is None and len(parts) > MAX_PARTS:
        problem = f"it is nested deeper than {MAX_PARTS} directories"
    if problem is None and len(name.encode()) > MAX_PATH_BYTES:
        problem = f"its path is longer than {MAX_PATH_BYTES} bytes"
    if problem is not None:
        quoted = repr(name[:_MAX_QUOTED_CHARS])
        raise LoaderError(
            Reason.UNSUPPORTED_KEY,
            f"The store lists a file named {quoted}, which cannot be written safely: {problem}. Rename it in the store,"
            " or exclude it with model.loader.ignorePatterns.",
        )
    return name


def _find_name_problem(name: str) -> str | None:
    if "\0" in name:
        return "it contains a NUL character"
    if "\\" in name:
        return "it contains a backslash"
    if name.startswith("/"):
        return "it is an absolute path"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    return None


def _find_part_problem(part: str) -> str | None:
    if part in {"", ".", ".."}:
        return f"it contains the segment {part!r}"
    if any(character < " " or character == "\x7f" for character in part):
        return "it contains a control character"
    if len(part.encode(errors="replace")) > MAX_PART_BYTES:
        return f"a segment is longer than {MAX_PART_BYTES} bytes"
    return None


class Directory:
    """An open directory. Names are relative to it, and no link in it is followed."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the root of all others. Links in its own path, which the administrator chooses, are followed."""
        return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def find_directory(self, name: str) -> "Directory | None":
        """Open a directory; return None if there is none of this name."""
        try:
            return Directory(os.open(name, _DIRECTORY_FLAGS, dir_fd=self.descriptor))
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                raise
        return None

    def replace_with_directory(self, name: str) -> "Directory":
        """Open a directory. It is created if it does not exist, and a link or file of this name is removed."""
        if (found := self.find_directory(name)) is not None:
            return found
        self.remove(name)
        return Directory(_open_directory(self.descriptor, name))

    def open_file(self, name: str, flags: int) -> int:
        """Open a regular file that has no other name. Raises OSError (ELOOP) for anything else of this name."""
        descriptor = os.open(name, flags | _FILE_FLAGS, 0o644, dir_fd=self.descriptor)
        if not is_unshared_file(os.fstat(descriptor)):
            os.close(descriptor)
            raise OSError(errno.ELOOP, "Not a regular file, or a hard link")
        return descriptor

    def replace_with_file(self, name: str, flags: int) -> int:
        """Open a regular file. It is created if it does not exist, and anything else of this name is removed.

        `flags` must not contain O_TRUNC, which takes effect before the type of the file is known.
        """
        with suppress(OSError):
            return self.open_file(name, flags)
        self.remove(name)
        return self.open_file(name, flags | os.O_CREAT | os.O_EXCL)

    def read_text(self, name: str) -> str | None:
        """Return the text of a regular file, or None if there is none or it is not UTF-8."""
        try:
            with os.fdopen(self.open_file(name, os.O_RDONLY), encoding="utf-8") as file:
                return file.read()
        except (OSError, UnicodeDecodeError):
            return None

    def get_status(self, name: str) -> os.stat_result | None:
        """Return the status of a name, which is that of a link itself, or None if the name does not exist."""
        try:
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def list_names(self) -> list[str]:
        """Return the names in the directory."""
        return os.listdir(self.descriptor)  # noqa: PTH208 - pathlib has no descriptors

    def remove(self, name: str) -> None:
        """Remove a file, a link or a directory with its contents, but nothing behind a link."""
        with suppress(FileNotFoundError):
            if not _unlink(self.descriptor, name):
                _remove_directory(self.descriptor, name)

    def remove_all_but(self, paths: Iterable[str]) -> None:
        """Remove everything below the directory except for the named regular files and their directories."""
        files = set(paths)
        directories = list_parents(files)
        for root, below, names, descriptor in os.fwalk(".", dir_fd=self.descriptor, onerror=_raise):
            for name in (*below, *names):
                path = _join(root, name)
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                is_directory = stat.S_ISDIR(status.st_mode)
                if path not in directories if is_directory else path not in files or not is_unshared_file(status):
                    Directory(descriptor).remove(name)
            below[:] = [name for name in below if _join(root, name) in directories]

    def walk(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield path and status of everything below the directory; the status of a link is its own.

        Directories that are nested deeper than those of any model are yielded, but not their contents.
        """
        for root, below, names, descriptor in os.fwalk(".", dir_fd=self.descriptor, onerror=_raise):
            for name in (*below, *names):
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                yield _join(root, name), status
            if root.count("/") > MAX_PARTS:  # fwalk is recursive, and has a descriptor open for each level
                below.clear()

    def sync(self) -> None:
        """Sync the names in the directory, so that they survive a crash."""
        os.fsync(self.descriptor)

    def sync_all(self) -> None:
        """Sync the names in the directory and in all below it."""
        for _, _, _, descriptor in os.fwalk(".", dir_fd=self.descriptor, onerror=_raise):
            os.fsync(descriptor)


def _unlink(directory: int, name: str) -> bool:
    """Remove a file, a link or an empty directory; return False for another directory."""
    try:
        os.unlink(name, dir_fd=directory)
    except (IsADirectoryError, PermissionError):  # the second on systems other than Linux
        try:
            os.rmdir(name, dir_fd=directory)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            return False
    return True


def _remove_directory(parent: int, name: str) -> None:
    """Remove a directory with its contents, but nothing behind a link.

    It may be nested thousands of levels deep, for which shutil.rmtree has neither the recursion depth nor the
    descriptors: each directory inside it is first moved to its top.
    """
    prefix, moved = os.urandom(16).hex(), 0
    with Directory(os.open(name, _DIRECTORY_FLAGS, dir_fd=parent)) as top:
        while names := [one for one in top.list_names() if not _unlink(top.descriptor, one)]:
            for one in names:
                with Directory(os.open(one, _DIRECTORY_FLAGS, dir_fd=top.descriptor)) as directory:
                    for inner in directory.list_names():
                        if not _unlink(directory.descriptor, inner):
                            moved += 1
                            new_name = f"{prefix}-{moved}"
                            os.rename(inner, new_name, src_dir_fd=directory.descriptor, dst_dir_fd=top.descriptor)
                os.rmdir(one, dir_fd=top.descriptor)
    os.rmdir(name, dir_fd=parent)


def is_unshared_file(status: os.stat_result) -> bool:
    """Return True for a regular file with one name: writing to it changes no other file."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink <= 1  # 0 on file systems that do not count


def list_parents(paths: Iterable[str]) -> set[str]:
    """Return all directories that contain one of the paths."""
    return {path[:index] for path in paths for index, character in enumerate(path) if character == "/"}


def _join(root: str, name: str) -> str:
    """Return the path of a name in a directory of a walk from "."."""
    return f"{root}/{name}".removeprefix("./")


def _raise(error: OSError) -> NoReturn:
    raise error


def open_beneath(root: Directory, name: str, *, flags: int) -> int:
    """Open the regular file `name` below `root` and return its descriptor; its directories are created.

    No link is followed. Raises LoaderError for an unsafe name or a file that is not regular.
    """
    *directories, last = validate_path(name).split("/")
    directory = root.descriptor
    try:
        for part in directories:
            deeper = _open_directory(directory, part)
            if directory != root.descriptor:
                os.close(directory)
            directory = deeper
        descriptor = os.open(last, flags | _FILE_FLAGS, 0o644, dir_fd=directory)
    finally:
        if directory != root.descriptor:
            os.close(directory)
    if not flags & os.O_EXCL and not is_unshared_file(os.fstat(descriptor)):  # a new file is both
        os.close(descriptor)
        raise LoaderError(Reason.UNSUPPORTED_KEY, f"{name!r} in the cache is not a regular file. Empty the cache.")
    return descriptor


def _open_directory(directory: int, part: str) -> int:
    """Open a directory inside another one, and create it if it does not exist."""
    with suppress(FileExistsError):
        os.mkdir(part, 0o755, dir_fd=directory)
    return os.open(part, _DIRECTORY_FLAGS, dir_fd=directory)


class PathSet:
    """Paths of one tree, all of which are different files on every file system.

    Many file systems ignore the case of names (SMB, and so Azure Files) or their Unicode form.
    """

    def __init__(self, subject: str) -> None:
        """Begin without a path. `subject` begins the messages: "The store lists"."""
        self._subject = subject
        self._spellings: dict[str, str] = {}
        """Files and directories by the form in which they collide."""
        self._files: set[str] = set()
        self._directories: set[str] = set()

    def add(self, path: str) -> None:
        """Add the path of a file. Raises LoaderError (UnsupportedKey) if it collides with an earlier one."""
        if path in self._files:
            raise self._error(f"the file {_quote(path)} twice")
        for index, character in enumerate(path):
            if character == "/" and path[:index] not in self._directories:
                self._add_name(path[:index], others=self._files)
                self._directories.add(path[:index])
        self._add_name(path, others=self._directories)
        self._files.add(path)

    def _add_name(self, name: str, *, others: set[str]) -> None:
        if name in others:
            raise self._error(f"{_quote(name)} as a file and as a directory")
        known = self._spellings.setdefault(_fold(name), name)
        if known != name:
            names = f"{_quote(known)} and {_quote(name)}"
            raise self._error(f"{names}, which are the same name on a volume that ignores case or Unicode forms")

    def _error(self, what: str) -> LoaderError:
        message = f"{self._subject} {what}. Rename one, or exclude it with model.loader.ignorePatterns."
        return LoaderError(Reason.UNSUPPORTED_KEY, message)


def _fold(name: str) -> str:
    """Return the form of a name for caseless matching (Unicode, D145)."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def _quote(name: str) -> str:
    return repr(name[:_MAX_QUOTED_CHARS])
