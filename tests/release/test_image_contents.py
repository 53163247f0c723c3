"""The images of a release: size, user, labels, and what must not be inside."""

import stat
from collections.abc import Callable
from pathlib import PurePosixPath

import pytest

from release.image import OciImage
from tests.support.releases import IMAGES, Release

pytestmark = pytest.mark.timeout(900)
MEBIBYTE = 2**20
MAX_SIZES = {"operator": 120 * MEBIBYTE, "loader": 40 * MEBIBYTE}
MIN_USER = 10_000
UNWANTED = {
    *("gcc", "g++", "cc", "c++", "clang", "ld", "as", "make", "go", "rustc", "cargo"),
    *("apt", "apt-get", "dpkg", "pip", "pip3", "uv", "perl", "git", "curl"),
}
"""Programs that would help an attacker, or that only a build needs."""


@pytest.mark.parametrize("image", IMAGES)
def test_image_has_at_most_its_size(release: Release, image: str, figure: Callable[[str], None]) -> None:
    found = release.image(image)
    unpacked = sum(len(file.content) for file in found.files().values())
    figure(f"{image}: {found.size / MEBIBYTE:.1f} MiB compressed with the base, {unpacked / MEBIBYTE:.1f} MiB unpacked")
    assert found.size <= MAX_SIZES[image]


@pytest.mark.parametrize("image", IMAGES)
def test_image_runs_as_an_unprivileged_user(release: Release, image: str) -> None:
    user, _, group = release.image(image).config["config"]["User"].partition(":")
    assert int(user) >= MIN_USER
    assert int(group) >= MIN_USER


@pytest.mark.parametrize("image", IMAGES)
def test_image_has_no_compiler_and_no_package_manager(release: Release, image: str) -> None:
    programs = {
        PurePosixPath(path).name
        for path, file in release.image(image).files().items()
        # BusyBox's own applets are links to a program that is there for RUN steps.
        if file.entry.isreg() and file.entry.mode & stat.S_IXUSR
    }
    assert programs & UNWANTED == set()


@pytest.mark.parametrize("image", IMAGES)
def test_no_file_of_the_image_changes_rights(release: Release, image: str) -> None:
    files = release.image(image).files()
    changing = stat.S_ISUID | stat.S_ISGID
    assert [path for path, file in files.items() if file.entry.isreg() and file.entry.mode & changing] == []
    writable = {path for path, file in files.items() if file.entry.mode & stat.S_IWOTH and not file.entry.issym()}
    assert writable <= {"tmp", "var/tmp", "var/lock"}
    assert all(file.entry.uid == 0 for file in files.values())


@pytest.mark.parametrize("image", IMAGES)
def test_image_has_labels_of_its_commit(release: Release, image: str) -> None:
    labels = release.image(image).labels
    name = "org.opencontainers.image"
    assert labels[f"{name}.title"] == f"ModelService {image}"
    assert labels[f"{name}.licenses"] == "Apache-2.0"
    assert labels[f"{name}.version"] == release.archive(image).name.split("-")[1]
    assert len(labels[f"{name}.revision"]) == len("da39a3ee5e6b4b0d3255bfef95601890afd80709")
    assert release.image(image).config["created"] == "2026-01-02T03:04:05Z"


def of_the_project(image: OciImage) -> set[str]:
    return {path for path in image.files() if path.startswith("app/site/") and path.endswith(".py")}


@pytest.mark.parametrize(("image", "package"), [("operator", "modelservice_operator"), ("loader", "model_loader")])
def test_image_has_one_program(release: Release, image: str, package: str) -> None:
    files = of_the_project(release.image(image))
    assert files
    assert {PurePosixPath(path).parts[2] for path in files} == {package}


def test_image_has_no_library_of_the_command_line(release: Release) -> None:
    libraries = {PurePosixPath(path).parts[5] for path in release.image("operator").files() if "site-packages/" in path}
    assert "pydantic" in libraries
    assert libraries & {"kubernetes", "cel_expr_python"} == set()
