"""The directory of a release: what is replaced, and what is refused."""

from pathlib import Path

import pytest

from release.build import CHECKSUMS, INSTALL, refuse_other_files
from release.errors import ReleaseError


def fill(directory: Path, *names: str, listed: tuple[str, ...] = ()) -> Path:
    for name in names:
        (directory / name).write_text("")
    if listed:
        (directory / CHECKSUMS).write_text("".join(f"{'0' * 64}  {name}\n" for name in listed))
    return directory


def test_directory_need_not_exist(tmp_path: Path) -> None:
    refuse_other_files(tmp_path / "dist")


@pytest.mark.parametrize("names", [(), (INSTALL,), ("a.whl",), ("a.whl", INSTALL)])
def test_earlier_output_is_replaced(tmp_path: Path, names: tuple[str, ...]) -> None:
    refuse_other_files(fill(tmp_path, *names, listed=() if names in {(), (INSTALL,)} else ("a.whl", "a.tgz")))


@pytest.mark.parametrize("listed", [(), ("a.whl",)])
def test_other_files_are_refused(tmp_path: Path, listed: tuple[str, ...]) -> None:
    fill(tmp_path, INSTALL, *listed, "thesis.tex", listed=listed)
    with pytest.raises(ReleaseError, match=r"\(thesis.tex\)"):
        refuse_other_files(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_message_names_three_files(tmp_path: Path) -> None:
    fill(tmp_path, "a", "b", "c", "d")
    with pytest.raises(ReleaseError, match=r"\(a, b, c, \.\.\.\)"):
        refuse_other_files(tmp_path)
