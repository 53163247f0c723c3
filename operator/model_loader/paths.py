"""Conversion of names from a store to paths on the disk (rule I4). No other module writes files by such names.

Each segment of a name is validated, and each directory is opened relative to its parent without following links. So
nothing is written outside the target directory, whatever names a store lists.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from model_loader.errors import LoaderError, Reason

MAX_PART_BYTES = 255
"""Maximum length of a file name (Linux, NAME_MAX)."""
MAX_PARTS = 32
_MAX_QUOTED_CHARS = 200
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def validate_path(name: str) -> str:
    """Return `name` if it is a safe relative path. Raises LoaderError (UnsupportedKey) otherwise."""
    parts = name.split("/")
    problem = _find_name_problem(name) or next(
        (problem for part in parts if (problem := _find_part_problem(part))), None
    )
    if problem is None and len(parts) > MAX_PARTS:
        problem = f"it is nested deeper than {MAX_PARTS} directories"
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


def open_beneath(root: Path, name: str, *, flags: int) -> int:
    """Open the regular file `name` below `root` and return its descriptor; its directories are created.

    No link is followed. Raises LoaderError for an unsafe name or a file that is not regular.
    """
    *directories, last = validate_path(name).split("/")
    directory = os.open(root, _DIRECTORY_FLAGS)
    try:
        for part in directories:
            deeper = _open_directory(directory, part)
            os.close(directory)
            directory = deeper
        descriptor = os.open(last, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=directory)
    finally:
        os.close(directory)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LoaderError(Reason.UNSUPPORTED_KEY, f"{name!r} in the cache is not a regular file. Empty the cache.")
    return descriptor


def _open_directory(directory: int, part: str) -> int:
    """Open a directory inside another one, and create it if it does not exist."""
    with suppress(FileExistsError):
        os.mkdir(part, 0o755, dir_fd=directory)
    return os.open(part, _DIRECTORY_FLAGS, dir_fd=directory)


def find_conflict(names: list[str]) -> str | None:
    """Return the first of the sorted `names` that occurs twice or is also a directory of another, or None."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    for name in names:
        parts = name.split("/")
        for depth in range(1, len(parts)):
            if (parent := "/".join(parts[:depth])) in seen:
                return parent
    return None
