"""The commit that a release is built from."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from release.errors import ReleaseError

if TYPE_CHECKING:
    from pathlib import Path

MAX_NAMED_FILES: Final = 5


@dataclass(frozen=True)
class Commit:
    """A commit, and the time that all files of its release have (https://reproducible-builds.org)."""

    revision: str
    epoch: int
    """Seconds since 1970: SOURCE_DATE_EPOCH, or the time of the commit."""

    @classmethod
    def of(cls, directory: Path) -> Commit:
        """Return the commit of a work tree. Raises ReleaseError if a file differs from it."""
        changed = _git(directory, "status", "--porcelain", "--untracked-files=normal").splitlines()
        if changed:
            names = ", ".join(line[3:] for line in changed[:MAX_NAMED_FILES])
            more = f" and {len(changed) - MAX_NAMED_FILES} more" if len(changed) > MAX_NAMED_FILES else ""
            raise ReleaseError(
                f"A release is built from a commit, and these files differ from it: {names}{more}."
                " Commit or stash them."
            )
        time = os.environ.get("SOURCE_DATE_EPOCH") or _git(directory, "log", "-1", "--format=%ct")
        return cls(_git(directory, "rev-parse", "HEAD"), int(time))


def _git(directory: Path, *arguments: str) -> str:
    answer = subprocess.run(["git", "-C", str(directory), *arguments], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise ReleaseError(f"git cannot read {directory}: {answer.stderr.strip()}")
    return answer.stdout.rstrip()
