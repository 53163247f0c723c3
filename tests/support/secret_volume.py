"""The volume of a Secret, as the kubelet writes it."""

from collections.abc import Mapping
from pathlib import Path


def write_secret_volume(directory: Path, values: Mapping[str, str | bytes]) -> Path:
    """Write links to the files of the version that `..data` names; return the directory."""
    version = directory / "..2026_01_01_00_00_00.123456789"
    version.mkdir()
    (directory / "..data").symlink_to(version.name)
    for name, value in values.items():
        (version / name).write_bytes(value.encode() if isinstance(value, str) else value)
        (directory / name).symlink_to(f"..data/{name}")
    return directory
