"""docs/runbook.md: each reason with what it means, what to do, and what the failure gallery said on a real node.

`python -m tests.runbook` prints it. What the gallery said is recorded in said.json by the gallery itself
(`GALLERY=write`), which otherwise fails where it says something else.
"""

from tests.runbook.page import page
from tests.runbook.said import Said, compare, recorded

__all__ = ["Said", "compare", "page", "recorded"]
