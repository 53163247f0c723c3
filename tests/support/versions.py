"""Other versions of the operator: patched copies of its code, and older commits, which run like that of this commit."""

import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.operator import RUN_WITHOUT_CLIENT

PACKAGES = Path(__file__).parents[2] / "operator"
NEXT = "99.0.0"
"""A version that is newer than any of this repository."""


@dataclass(frozen=True)
class OperatorVersion:
    """A copy of the operator's code."""

    directory: Path

    @property
    def command(self) -> tuple[str, str]:
        """Return the arguments of Python that run this version."""
        return ("-c", f"import sys\nsys.path.insert(0, {str(self.directory)!r})\n{RUN_WITHOUT_CLIENT}")


class MissingHistoryError(Exception):
    """The copy of the repository has no older commits."""


def patched_version(directory: Path, changes: Mapping[str, tuple[str, str]], *, version: str = NEXT) -> OperatorVersion:
    """Copy the code with another version; `changes` has a text to replace, and the new one, for each module."""
    shutil.copytree(PACKAGES, directory, ignore=shutil.ignore_patterns("__pycache__"))
    package = directory / "modelservice_operator"
    _edit(package / "__init__.py", r'__version__ = "[^"]+"', f'__version__ = "{version}"')
    for module, (old, new) in changes.items():
        _edit(package / module, re.escape(old), new)
    return OperatorVersion(directory)


def _edit(path: Path, pattern: str, text: str) -> None:
    changed, found = re.subn(pattern, lambda _: text, path.read_text(encoding="utf-8"))
    if found != 1:
        raise ValueError(f"{path.name} has {pattern} {found} times: the patch of the test no longer fits.")
    path.write_text(changed, encoding="utf-8")


def unchanged_templates_commit(repository: Path = PACKAGES.parent) -> str:
    """Return the oldest commit that builds the same pod templates as this one: the last change of their hashes.

    Raises MissingHistoryError in a copy without history, as from `git clone --depth`: it has no older version.
    """
    hashes = "tests/golden/template_hashes.yaml"
    commit = _git(repository, "log", "--format=%H", "--max-count=1", "--", hashes).decode().strip()
    is_shallow = _git(repository, "rev-parse", "--is-shallow-repository").decode().strip() == "true"
    if not commit or is_shallow:
        raise MissingHistoryError(f"The history of {hashes} is missing: fetch it with `git fetch --unshallow`.")
    return commit


def commits_since(commit: str, repository: Path = PACKAGES.parent) -> int:
    """Return the number of commits after one."""
    return int(_git(repository, "rev-list", "--count", f"{commit}..HEAD"))


def archived_version(directory: Path, commit: str, repository: Path = PACKAGES.parent) -> OperatorVersion:
    """Extract the files of a commit into a directory: operator/, crds/, manifests/ and tests/golden/."""
    archive = _git(repository, "archive", commit, "operator", "crds", "manifests", "tests/golden")
    directory.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        opened.extractall(directory, filter="data")
    return OperatorVersion(directory / "operator")


def _git(repository: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", repository, *arguments], capture_output=True, check=True).stdout
