"""The section of the changelog."""

from __future__ import annotations

import re

from release.errors import ReleaseError

UNRELEASED = "Unreleased"


def section(changelog: str, version: str) -> str:
    """Return the section of a version, or the unreleased one before the version has its own. Raises ReleaseError."""
    parts = re.split(r"^## +(.+)$", changelog, flags=re.MULTILINE)
    sections = {heading.strip(): body for heading, body in zip(parts[1::2], parts[2::2], strict=True)}
    # A heading may have a date: "0.1.0 - 2026-11-27".
    by_version = {heading.split()[0].strip("[]"): heading for heading in sections}
    for name in (version, UNRELEASED):
        if name in by_version:
            heading = by_version[name]
            return f"## {heading}\n\n{sections[heading].strip()}\n"
    raise ReleaseError(f"CHANGELOG.md has neither a section {version} nor {UNRELEASED}.")
