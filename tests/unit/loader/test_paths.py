"""Names from stores stay below the target directory (I4)."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from model_loader.errors import LoaderError, Reason
from model_loader.paths import MAX_PART_BYTES, MAX_PARTS, find_conflict, open_beneath, validate_path

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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.sampled_from("ab./\\\0é~\n"), max_size=12) | st.text(max_size=30))
@example("../" * 40 + "etc/passwd")
@example("a/" * MAX_PARTS + "b")
def test_no_name_is_written_outside_the_target(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir(exist_ok=True)
    others = {path for path in tmp_path.iterdir() if path != root}
    try:
        descriptor = open_beneath(root, name, flags=WRITE)
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
    with pytest.raises(OSError, match=r"Not a directory|Too many levels|Is a directory"):
        open_beneath(root, name, flags=WRITE)
    assert list(outside.iterdir()) == []


def test_special_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LoaderError, match="not a regular file"):
        open_beneath(tmp_path, "pipe", flags=os.O_RDWR)


@pytest.mark.parametrize(
    ("names", "conflict"),
    [(["a", "b"], None), (["a", "a"], "a"), (["a", "a/b"], "a"), (["a", "a.b", "a/b"], "a"), (["a/b", "a/c"], None)],
)
def test_file_conflicts_with_directory_of_same_name(names: list[str], conflict: str | None) -> None:
    assert find_conflict(sorted(names)) == conflict
