"""Date and commit of a measurement, as the documents with figures name them."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from bench.commands import run_command
from bench.errors import BenchError

ROOT = Path(__file__).parents[1]
MEASURED_CODE = "operator"
"""Directory of the programs that are measured."""
_SENTENCE = re.compile(r"on (\d{4}-\d\d-\d\d)\s+at commit ([0-9a-f]{7,40})\b")


@dataclass(frozen=True)
class Provenance:
    """Date and commit of the code that was measured."""

    day: date
    commit: str

    def __str__(self) -> str:
        return f"on {self.day.isoformat()} at commit {self.commit}"

    @classmethod
    def current(cls) -> "Provenance":
        """Return today and the commit of the work tree. Raises BenchError if the code has uncommitted changes."""
        if git("status", "--porcelain", "--", MEASURED_CODE):
            raise BenchError(f"{MEASURED_CODE}/ has uncommitted changes: commit them, and measure again to publish.")
        return cls(datetime.now(UTC).date(), git("rev-parse", "--short=12", "HEAD"))

    @classmethod
    def of_document(cls, text: str) -> "Provenance | None":
        """Return what a document says about its figures; None if it does not name a commit."""
        match = _SENTENCE.search(text)
        return None if match is None else cls(date.fromisoformat(match[1]), match[2])


def git(*arguments: str) -> str:
    """Return the output of git in the work tree. Raises BenchError."""
    return run_command(("git", *arguments), description=f"git {arguments[0]}", folder=ROOT).strip()
