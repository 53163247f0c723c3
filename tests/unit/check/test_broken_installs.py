"""Each broken install of the table is explained in docs/check.md, and tested on a cluster."""

import re
from pathlib import Path

import pytest

from tests.support.bad_installs import BROKEN_INSTALLS, BrokenInstall

ROOT = Path(__file__).parents[3]
TESTS = sorted((ROOT / "tests/release").glob("test_*.py"))


def row(broken: BrokenInstall) -> str:
    """Return the line of docs/check.md."""
    return f"| {broken.text} | {broken.shown} | `{broken.finding}` ({broken.level}) |"


def test_document_lists_every_broken_install_in_order() -> None:
    text = (ROOT / "docs/check.md").read_text()
    section = text.partition("\n## Broken installs\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert [line for line in rows if not line.startswith("| ---")] == [row(broken) for broken in BROKEN_INSTALLS]


def test_every_broken_install_is_made_by_a_test() -> None:
    made = re.findall(r'broken_install\("([a-z-]+)"\)', "".join(path.read_text() for path in TESTS))
    assert sorted(made) == sorted(broken.name for broken in BROKEN_INSTALLS)


@pytest.mark.parametrize("broken", BROKEN_INSTALLS, ids=lambda broken: broken.name)
def test_finding_of_a_broken_install_is_explained(broken: BrokenInstall) -> None:
    assert f"\n| `{broken.finding}` | " in (ROOT / "docs/check.md").read_text()
    assert broken.sentence
