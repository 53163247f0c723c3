"""Versions of Kubernetes that the operator supports, and the comparison of version texts."""

import re
from collections.abc import Mapping
from typing import Any

OLDEST_SUPPORTED = (1, 32)
NEWEST_TESTED = (1, 37)
_VERSION = re.compile(r"v?(\d+)\.(\d+)")
_NUMBERS = 3
_MINOR_NUMBERS = 2


def parse_version(text: str) -> tuple[int, ...]:
    """Return the first three numbers of a version; none if it is unknown."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:_NUMBERS])


def format_minor(version: tuple[int, int]) -> str:
    """Return a minor version as `1.37`."""
    return f"{version[0]}.{version[1]}"


SUPPORTED_RANGE = f"{format_minor(OLDEST_SUPPORTED)} to {format_minor(NEWEST_TESTED)}"


def server_version(info: Mapping[str, Any]) -> str:
    """Return the version of an API server from its `/version`.

    A server that emulates an older version (flag --emulated-version, KEP-4330) serves the fields and kinds of that one.
    """
    binary = str(info.get("gitVersion", ""))
    emulated = f"v{info.get('emulationMajor', '')}.{info.get('emulationMinor', '')}"
    if _VERSION.fullmatch(emulated) and parse_version(emulated) != parse_version(binary)[:_MINOR_NUMBERS]:
        return f"{emulated} (emulated by {binary})"
    return binary


def explain_unsupported(git_version: str) -> str:
    """Return a sentence if a Kubernetes version is outside of the supported range; empty if it is supported.

    `git_version` is that of the API server, such as v1.37.0, v1.33.5-eks-1a2b3c4 or v1.34 (emulated by v1.37.0).
    """
    found = _VERSION.match(git_version)
    if found is None:
        return f"The version of Kubernetes is unknown: {git_version!r}. Versions {SUPPORTED_RANGE} are supported."
    minor = (int(found[1]), int(found[2]))
    if minor < OLDEST_SUPPORTED:
        return (
            f"Kubernetes {git_version} is older than the supported versions {SUPPORTED_RANGE}: fields and rules that"
            " the operator needs may be missing. Upgrade the cluster."
        )
    if minor > NEWEST_TESTED:
        return (
            f"Kubernetes {git_version} is newer than the versions {SUPPORTED_RANGE} that this version of the operator"
            " was tested with. Use a newer version of the operator if there is one."
        )
    return ""
