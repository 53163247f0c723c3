"""Tar archives whose bytes depend on names and contents only."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def build_tar(files: Mapping[str, bytes], *, epoch: int) -> bytes:
    """Return a tar archive of regular files, sorted by name, all with the same time, owner and mode."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(files[name]), epoch, 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()


def read_tar(content: bytes) -> dict[str, bytes]:
    """Return the regular files of a tar archive, compressed or not."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = ((entry.name, archive.extractfile(entry)) for entry in archive if entry.isreg())
        return {name: member.read() for name, member in members if member is not None}


def compress(content: bytes) -> bytes:
    """Return gzip without a time and a file name."""
    return gzip.compress(content, mtime=0)
