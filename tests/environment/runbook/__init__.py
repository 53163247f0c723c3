"""docs/runbook.md: each reason with what it means, what to do, and what the failure gallery said on a real node.

`python -m tests.environment.runbook` prints it. What the gallery said is recorded in said.json by the gallery itself
(`GALLERY=write`), which otherwise fails where it says something else.
"""

from tests.environment.runbook.page import page
from tests.environment.runbook.said import Said, compare, recorded

__all__ = ["Said", "compare", "page", "recorded"]
