"""Generates docs/runbook.md: each reason with its meaning, what to do, and messages recorded on a real node.

`python -m tests.environment.runbook` prints it. The failure gallery (tests/e2e) records the messages in said.json with
`GALLERY=write`, and fails otherwise if a message differs from the recorded one.
"""

from tests.environment.runbook.page import page
from tests.environment.runbook.said import Said, compare, recorded

__all__ = ["Said", "compare", "page", "recorded"]
