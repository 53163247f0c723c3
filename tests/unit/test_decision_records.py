"""The index of decision records has each of them, in order."""

import re
from pathlib import Path

RECORDS = Path(__file__).parents[2] / "docs" / "adr"


def test_index_has_every_record_in_order() -> None:
    rows = re.findall(r"^\| \[(\d{4})\]\(([^)]+)\) \|", (RECORDS / "README.md").read_text(), re.MULTILINE)
    assert [name for _, name in rows] == sorted(path.name for path in RECORDS.glob("0*.md"))
    assert [number for number, name in rows if not name.startswith(f"{number}-")] == []
