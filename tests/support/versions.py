"""Other versions of the operator: patched copies of its code, which run like the operator of this commit."""

import re
import shutil
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
