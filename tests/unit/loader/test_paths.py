"""Names from stores stay below the target directory (I4)."""

import os
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from model_loader.errors import LoaderError, Reason
from model_loader.paths import MAX_PART_BYTES, MAX_PARTS, Directory, PathSet, open_beneath, validate_path

WRITE = os.O_WRONLY | os.O_CREAT
UNSAFE_NAMES = (
    *("../a", "a/../b", "a/..", "..", ".", "./a", "a/./b", "/etc/passwd", "//a", "a//b", "a/", "", "a\0b", "a\\b"),
    *("..\\a", "C:\\a", "a\nb", "a\rb", "\x1b[2J", "a\x7f", "a" * 256, "é" * 128, "/".join("a" * 33), "\ud800"),
)


@pytest.mark.parametrize("name", UNSAFE_NAMES)
def test_unsafe_names_are_refused(name: str) -> None:
    with pytest.raises(LoaderError, match="cannot be written safely") as raised:
        validate_path(name)
    assert raised.value.reason is Reason.UNSUPPORTED_KEY


@pytest.mark.parametrize("name", ["a", "a/b/c", "...", "a..b", "..a", "~", "-rf", "$HOME", "a b", "é", "a" * 255])
def test_unusual_names_are_accepted(name: str) -> None:
    assert validate_path(name) == name


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.text(alphabet=st.sampled_from("ab./\\\0é~\n"), max_size=12) | st.text(max_size=30))
@example("../" * 40 + "etc/passwd")
@example("a/" * MAX_PARTS + "b")
def test_no_name_is_written_outside_the_target(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir(exist_ok=True)
    others = {path for path in tmp_path.iterdir() if path != root}
    try:
        with Directory.open(root) as directory:
            descriptor = open_beneath(directory, name, flags=WRITE)
    except (LoaderError, IsADirectoryError, NotADirectoryError, FileExistsError):
        pass
    else:
        where = Path(f"/proc/self/fd/{descriptor}").readlink()
        os.close(descriptor)
        assert where.is_relative_to(root)
        assert all(len(part.encode()) <= MAX_PART_BYTES for part in where.relative_to(root).parts)
    assert {path for path in tmp_path.iterdir() if path != root} == others


@pytest.mark.parametrize("name", ["link/file", "link"])
def test_links_are_not_followed(tmp_path: Path, name: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "link").symlink_to(outside)
    with (
        Directory.open(root) as directory,
        pytest.raises(OSError, match=r"Not a directory|Too many levels|Is a directory"),
    ):
        open_beneath(directory, name, flags=WRITE)
    assert list(outside.iterdir()) == []


def test_special_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with Directory.open(tmp_path) as directory, pytest.raises(LoaderError, match="not a regular file"):
        open_beneath(directory, "pipe", flags=os.O_RDWR)


LETTERS = ("a", "A", "b", "ß", "SS", "é", "e\u0301", "É", "ﬁ", "fi", "Ω", "\u2126", "i")
PATHS = st.lists(
    st.lists(st.sampled_from(LETTERS), min_size=1, max_size=3).map("/".join), unique=True, min_size=1, max_size=5
)


def fold(name: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


@given(PATHS)
@example(["a", "a/b"])
@example(["a/b", "a"])
@example(["A/b", "a"])
@example(["A/b", "a/c"])
@example(["a", "a.b", "a/b"])
@example(["é", "e\u0301"])
def test_paths_that_collide_somewhere_are_refused(paths: list[str]) -> None:
    """Refused exactly if two names of the tree, files or directories, are one name on some file system."""
    names = {"/".join(path.split("/")[:depth]) for path in paths for depth in range(1, path.count("/") + 2)}
    directories = {name for name in names if any(path.startswith(f"{name}/") for path in paths)}
    collides = len({fold(name) for name in names}) < len(names) or bool(directories & set(paths))
    if not collides:
        add_all(paths)
        return
    with pytest.raises(LoaderError) as raised:
        add_all(paths)
    assert raised.value.reason is Reason.UNSUPPORTED_KEY
    quoted = re.findall(r"'([^']+)'", raised.value.message)
    assert set(quoted) <= names
    assert len({fold(name) for name in quoted}) == 1
    assert len(quoted) == (1 if "as a file and as a directory" in raised.value.message else 2)


def add_all(paths: list[str]) -> None:
    found = PathSet("The store lists")
    for path in paths:
        found.add(path)


def test_path_that_is_listed_twice_is_refused() -> None:
    found = PathSet("The store lists")
    found.add("a/b")
    with pytest.raises(LoaderError, match="lists the file 'a/b' twice"):
        found.add("a/b")


@pytest.mark.parametrize("size", [1023, 1024])
def test_long_path_is_accepted(size: int) -> None:
    assert validate_path(build_path(size)) == build_path(size)


@pytest.mark.parametrize("size", [1025, 1026, 5000])
def test_too_long_path_is_refused(size: int) -> None:
    with pytest.raises(LoaderError, match="its path is longer than 1024 bytes"):
        validate_path(build_path(size))


def build_path(size: int) -> str:
    """Path of so many bytes, in segments of 250."""
    return "".join("/" if index % 251 == 250 else "a" for index in range(size - 1)) + "b"
