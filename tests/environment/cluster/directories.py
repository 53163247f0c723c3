"""Directories on this machine, outside the work tree (XDG base directory specification)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.environment.cluster.errors import ClusterError


def cache_directory() -> Path:
    """Return the directory of built programs and other files that any run may rebuild."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def state_directory() -> Path:
    """Return the parent of the clusters that `up` leaves running."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def temporary_directory() -> Path:
    """Return this user's directory for the clusters of test runs.

    It has a fixed name so that the next run finds what a killed one left behind; no other user may own it.
    """
    folder = Path(tempfile.gettempdir()) / f"modelservice-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ClusterError(f"{folder} belongs to another user or is open to others; remove it or set TMPDIR.")
    return folder


def _xdg(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default) / "modelservice"
