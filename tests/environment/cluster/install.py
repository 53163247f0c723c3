"""Installations outside the work tree: once per set of dependencies, also when several runs need one."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tests.environment.cluster.directories import cache_directory
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.locks import waiting_lock
from tests.environment.cluster.progress import say, showing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def installed(kind: str, name: str, key: str, install: Callable[[Path], None]) -> Path:
    """Return the directory of an installation, made by `install` where the cache has none of this `key`."""
    parent = cache_directory() / kind / name
    parent.mkdir(parents=True, exist_ok=True)
    home = parent / key[:16]
    with waiting_lock(parent / "lock", when_busy=lambda: say(f"Another run installs {name}; waiting for it.")):
        # The mark comes last, so an interrupted installation is repeated.
        if not (home / "complete").exists():
            with showing(f"Installing {name}", lambda: ""):
                install(home)
            (home / "complete").touch()
    return home


def uv() -> str:
    """Return the program uv; ClusterError where there is none."""
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None:
        raise ClusterError("uv is neither on PATH nor named by UV: run this by its target of the Makefile.")
    return found
