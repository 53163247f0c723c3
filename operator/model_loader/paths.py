"""Names that a store gave become paths on the disk here, and nowhere else (rule I4).

A name is cut into parts that are checked one by one, and each folder is opened below the one before without following
links: whatever a store says, nothing is written outside of the target.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from model_loader.errors import LoaderError, Reason

MAX_PART_BYTES = 255
"""Bytes of a file name (Linux, NAME_MAX)."""
MAX_PARTS = 32
_MAX_QUOTED_CHARS = 200
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def validate_path(name: str) -> str:
    """`name` as a relative path, or an error that says what is wrong with it."""
    parts = name.split("/")
    problem = _find_name_problem(name) or next(
        (problem for part in parts if (problem := _find_part_problem(part))), None
    )
    if problem is None and len(parts) > MAX_PARTS:
        problem = f"it is nested deeper than {MAX_PARTS} folders"
    if problem is not None:
        quoted = repr(name[:_MAX_QUOTED_CHARS])
        raise LoaderError(
            Reason.UNSUPPORTED_KEY,
            f"The store lists a file named {quoted}, which cannot be written safely: {problem}. Rename it in the store,"
            " or leave it out with model.loader.ignorePatterns.",
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
        return f"it has the part {part!r}"
    if any(character < " " or character == "\x7f" for character in part):
        return "it contains a control character"
    if len(part.encode(errors="replace")) > MAX_PART_BYTES:
        return f"a part of it is longer than {MAX_PART_BYTES} bytes"
    return None


def open_beneath(root: Path, name: str, *, flags: int) -> int:
    """File descriptor of the regular file `name` below `root`, whose folders are made; nothing follows a link."""
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
        raise LoaderError(Reason.UNSUPPORTED_KEY, f"{name!r} is no regular file in the cache. Empty the cache.")
    return descriptor


def _open_directory(directory: int, part: str) -> int:
    """Descriptor of a folder in `folder`."""
    with suppress(FileExistsError):
        os.mkdir(part, 0o755, dir_fd=directory)
    return os.open(part, _DIRECTORY_FLAGS, dir_fd=directory)


def find_conflict(names: list[str]) -> str | None:
    """First of the sorted `names` that would be a file and a folder, or one file twice; None when none would."""
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
