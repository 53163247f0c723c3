"""Names of a release."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from release.errors import ReleaseError

REPOSITORY: Final = Path(__file__).resolve().parents[1]
DEFAULT_PREFIX: Final = "modelservice.dev"
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HOST: Final = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*)(?::[0-9]+)?"
_PREFIX: Final = re.compile(rf"{_HOST}(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*")


@dataclass(frozen=True)
class Names:
    """Version of the project, and the prefix and the tag of its images (OCI distribution specification, names)."""

    version: str
    image_prefix: str
    tag: str

    @classmethod
    def of(cls, *, image_prefix: str = DEFAULT_PREFIX, tag: str | None = None) -> Names:
        """Return the names; the default tag is the version. Raises ReleaseError if one is invalid."""
        version = project_version()
        names = cls(version, image_prefix.rstrip("/"), tag or version)
        if not _PREFIX.fullmatch(names.image_prefix):
            raise ReleaseError(
                f"IMAGE_PREFIX {image_prefix!r} is not a registry with an optional path, such as registry.example/team."
            )
        if not _TAG.fullmatch(names.tag):
            raise ReleaseError(f"TAG {tag!r} is not a tag: letters, digits, '_', '.' and '-', at most 128.")
        return names

    def reference(self, image: str) -> str:
        """Return the reference of an image."""
        return f"{self.image_prefix}/{image}:{self.tag}"


def project_version() -> str:
    """Return the version in pyproject.toml."""
    version: str = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    return version
