"""Names that a store gave become paths on the disk here, and nowhere else (rule I4).

A name is cut into parts that are checked one by one, and each folder is opened below the one before without following
links: whatever a store says, nothing is written outside of the target.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from model_loader.errors import LoaderError, Reason

LONGEST_PART = 255
"""Bytes of a file name (Linux, NAME_MAX)."""
MOST_PARTS = 32
_LONGEST_SHOWN = 200
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def checked(name: str) -> str:
    """`name` as a relative path, or an error that says what is wrong with it."""
    parts = name.split("/")
    fault = _fault(name) or next((fault for part in parts if (fault := _part_fault(part))), None)
    if fault is None and len(parts) > MOST_PARTS:
        fault = f"it is nested deeper than {MOST_PARTS} folders"
    if fault is not None:
        shown = repr(name[:_LONGEST_SHOWN])
        raise LoaderError(
            Reason.UNSUPPORTED_KEY,
            f"The store lists a file named {shown}, which cannot be written safely: {fault}. Rename it in the store,"
            " or leave it out with model.loader.ignorePatterns.",
        )
    return name


def _fault(name: str) -> str | None:
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


def _part_fault(part: str) -> str | None:
    if part in {"", ".", ".."}:
        return f"it has the part {part!r}"
    if any(character < " " or character == "\x7f" for character in part):
        return "it contains a control character"
    if len(part.encode(errors="replace")) > LONGEST_PART:
        return f"a part of it is longer than {LONGEST_PART} bytes"
    return None


def open_beneath(root: Path, name: str, *, flags: int) -> int:
    """File descriptor of the regular file `name` below `root`, whose folders are made; nothing follows a link."""
    *folders, last = checked(name).split("/")
    folder = os.open(root, _FOLDER)
    try:
        for part in folders:
            deeper = _enter(folder, part)
            os.close(folder)
            folder = deeper
        descriptor = os.open(last, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LoaderError(Reason.UNSUPPORTED_KEY, f"{name!r} is no regular file in the cache. Empty the cache.")
    return descriptor


def _enter(folder: int, part: str) -> int:
    """Descriptor of a folder in `folder`."""
    with suppress(FileExistsError):
        os.mkdir(part, 0o755, dir_fd=folder)
    return os.open(part, _FOLDER, dir_fd=folder)


def conflicts(names: list[str]) -> str | None:
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
