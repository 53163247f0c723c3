"""Directories nested thousands of levels deep, as another pod can create them on a shared claim."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_loader.paths import Directory
from tests.unit.loader.test_pipeline import MemoryStore, load, read_tree, volume_directory

DEPTH = 5000
FILES = {"model.bin": b"x", "a/b/c": b"y"}


@pytest.fixture
def volume() -> Iterator[Path]:
    with volume_directory() as directory:
        yield directory
        subprocess.run(["rm", "-rf", directory], check=True)  # Python cannot remove such directories
        directory.mkdir()


def plant(directory: Path, *, depth: int = DEPTH) -> None:
    """Create nested directories with a file at each hundredth level. Their paths are longer than PATH_MAX."""
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY)
    for level in range(depth):
        os.mkdir("d", dir_fd=descriptor)
        deeper = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = deeper
        if level % 100 == 0:
            os.close(os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor))
            os.symlink("/", "l", dir_fd=descriptor)
    os.close(descriptor)


@pytest.mark.parametrize(
    "place",
    [
        *(".model.partial", ".model.partial/tree", ".model.partial/tree/a/b", ".model.partial/download"),
        *(".model.partial/journal", ".model.partial/marker", ".model.partial/replaced", ".model.json"),
    ],
)
def test_deep_left_over_is_removed(volume: Path, place: str) -> None:
    plant(volume / place)
    assert load(volume, MemoryStore(FILES)).reason == "Loaded"
    assert read_tree(volume / "model") == FILES
    assert sorted(path.name for path in volume.iterdir()) == [".model.json", ".model.lock", "model"]


def test_deep_directory_in_a_published_tree_is_removed(volume: Path) -> None:
    load(volume, MemoryStore(FILES))
    plant(volume / "model" / "a")
    assert load(volume, MemoryStore(FILES)).reason == "Loaded"
    assert read_tree(volume / "model") == FILES


def test_wide_and_deep_directories_are_removed(volume: Path) -> None:
    for index in range(20):
        plant(volume / "left" / str(index % 4) / str(index), depth=index * 10)
    (volume / "left" / "empty").mkdir(mode=0o500)
    with Directory.open(volume) as directory:
        directory.remove("left")
    assert list(volume.iterdir()) == []


def test_removal_follows_no_link(volume: Path) -> None:
    outside = volume / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    plant(volume / "left", depth=50)
    (volume / "left" / "link").symlink_to(outside)
    (volume / "left" / "d" / "link").symlink_to(outside)
    with Directory.open(volume) as directory:
        directory.remove("left")
    assert [path.name for path in outside.iterdir()] == ["kept"]
