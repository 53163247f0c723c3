"""Locked packages can be installed on both architectures."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "uv.lock", *ROOT.glob("examples/*/uv.lock")))
AMD64, ARM64 = "x86_64", "aarch64"


def tags(wheel: str) -> tuple[str, str, str]:
    """Return Python, ABI and platform of a wheel (PEP 427)."""
    python, abi, platform = wheel.removesuffix(".whl").split("-")[-3:]
    return python, abi, platform


def without_arm64(wheels: list[str]) -> set[tuple[str, str]]:
    """Return Python and ABI of the wheels for CPython with glibc on amd64 that have no counterpart on arm64."""
    found = [tags(wheel) for wheel in wheels]
    if any(abi == "none" and platform == "any" for _, abi, platform in found):
        return set()  # a wheel without compiled code can be installed everywhere
    pairs = {
        machine: {
            (python, abi)
            for python, abi, platform in found
            if "manylinux" in platform and machine in platform and python.startswith("cp")
        }
        for machine in (AMD64, ARM64)
    }
    return pairs[AMD64] - pairs[ARM64]


@pytest.mark.parametrize("lock", LOCKS)
def test_no_locked_wheel_is_for_amd64_only(lock: str) -> None:
    packages = tomllib.loads((ROOT / lock).read_text())["package"]
    names = {
        package["name"]: [wheel["url"].rpartition("/")[2] for wheel in package.get("wheels", ())]
        for package in packages
    }
    assert {name: found for name, wheels in names.items() if (found := without_arm64(wheels))} == {}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_wheel(lock: str) -> None:
    packages = tomllib.loads((ROOT / lock).read_text())["package"]
    from_registry = [package for package in packages if "registry" in package["source"]]
    assert from_registry
    assert [package["name"] for package in from_registry if not package.get("wheels")] == []


def test_wheel_for_amd64_only_is_found() -> None:
    amd64 = "fast-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"
    assert without_arm64([amd64]) == {("cp311", "cp311")}
    assert without_arm64([amd64, "fast-1.0-cp311-cp311-manylinux_2_28_aarch64.whl"]) == set()
    assert without_arm64([amd64, "fast-1.0-py2.py3-none-any.whl"]) == set()
    assert without_arm64([amd64, "fast-1.0-cp312-cp312-manylinux_2_28_aarch64.whl"]) == {("cp311", "cp311")}


def test_cel_engine_has_a_wheel_for_every_platform() -> None:
    """It has no source distribution; docs/cli/index.md names the platforms."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    [engine] = [package for package in packages if package["name"] == "cel-expr-python"]
    found = {tags(wheel["url"].rpartition("/")[2])[::2] for wheel in engine["wheels"]}
    platforms = ("manylinux.*_x86_64", "manylinux.*_aarch64", "macosx_.*_x86_64", "macosx_.*_arm64", "win_amd64")
    missing = [
        (python, platform)
        for python in ("cp311", "cp312", "cp313", "cp314")
        for platform in platforms
        if not any(one == python and re.search(platform, other) for one, other in found)
    ]
    assert missing == []
