"""Renders findings as text or as JSON, and derives the exit code. Pure."""

import json
from collections.abc import Iterable, Sequence
from enum import IntEnum

from modelservice_operator.check.findings import Finding, Level


class ExitCode(IntEnum):
    """Exit codes of `check`."""

    OK = 0
    """No finding of level error."""
    ERRORS = 1
    """At least one finding of level error."""
    CANNOT_CHECK = 2
    """The API server cannot be reached, or rejects the credentials; also wrong arguments."""


def exit_code_of(findings: Iterable[Finding]) -> ExitCode:
    """Return the exit code for findings."""
    return ExitCode.ERRORS if any(one.level is Level.ERROR for one in findings) else ExitCode.OK


def count_levels(findings: Iterable[Finding]) -> dict[str, int]:
    """Return the number of findings of each level."""
    levels = [one.level for one in findings]
    return {level.value: levels.count(level) for level in Level}


def render_text(findings: Sequence[Finding]) -> str:
    """Return a line for each finding, another for its fix, and the counts."""
    widths = max(len(level) for level in Level), max((len(one.id) for one in findings), default=0)
    lines = [line for one in findings for line in _lines(one, *widths)]
    counts = ", ".join(f"{number} {level}" for level, number in count_levels(findings).items())
    return "\n".join([*lines, "", counts, ""])


def _lines(finding: Finding, level_width: int, id_width: int) -> list[str]:
    lines = [f"{finding.level:<{level_width}}  {finding.id:<{id_width}}  {finding.message}"]
    if finding.fix:
        lines.append(f"{'':<{level_width}}  {'':<{id_width}}  fix: {finding.fix}")
    return lines


def render_json(findings: Sequence[Finding], *, version: str) -> str:
    """Return one JSON object: the version of this program, the counts and the findings."""
    entries = [{"id": one.id, "level": one.level, "message": one.message, "fix": one.fix} for one in findings]
    document = {"version": version, "counts": count_levels(findings), "findings": entries}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
