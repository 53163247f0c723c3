"""docs/check.md explains every finding, and no other."""

import re
from pathlib import Path

from modelservice_operator.check.findings import FindingID

DOCUMENT = Path(__file__).parents[3] / "docs/check.md"


def test_document_explains_every_finding_once() -> None:
    ids = re.findall(r"^\| `([a-z][a-z-]*)` \|", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(ids) == sorted(FindingID)
