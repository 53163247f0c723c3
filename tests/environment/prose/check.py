"""Finds the phrases of `patterns.toml` in passages."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.environment.prose.extract import Kind, Passage, is_config, passages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
PATTERNS = HERE / "patterns.toml"
ALLOWED = HERE / "allowed.txt"
# These tests must contain what the check forbids.
EXCLUDED = ("tests/unit/tools/prose/", "charts/modelservice-operator/templates/")
_GENERATED = frozenset({"docs/reference.md", "docs/runbook.md"})
_CORPORA = {
    "operator/modelservice_operator/": "operator",
    "operator/model_loader/": "loader",
    "tests/": "tests",
    "bench/": "bench",
    "crds/": "crds",
}


@dataclass(frozen=True)
class Pattern:
    """A phrase that is hard to read, and a suggestion."""

    name: str
    regex: re.Pattern[str]
    instead: str
    is_error: bool
    warn_in: frozenset[str] = frozenset()
    only_in: frozenset[str] = frozenset(Kind)

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Pattern:
        """Build a pattern from a table of `patterns.toml`. Raises ValueError if a value is invalid."""
        if entry["level"] not in {"error", "warning"}:
            raise ValueError(f"Pattern {entry['name']} has the unknown level {entry['level']!r}.")
        return cls(
            name=entry["name"],
            regex=re.compile(entry["regex"], re.IGNORECASE),
            instead=entry["instead"],
            is_error=entry["level"] == "error",
            warn_in=frozenset(map(Kind, entry.get("warn_in", ()))),
            only_in=frozenset(map(Kind, entry.get("only_in", Kind))),
        )


@dataclass(frozen=True)
class Hit:
    """One place where a pattern matches."""

    path: str
    line: int
    pattern: Pattern
    is_error: bool
    text: str
    """The matched words with their surroundings."""

    @property
    def corpus(self) -> str:
        """Part of the repository whose hits are counted together."""
        return corpus_of(self.path)

    def __str__(self) -> str:
        """Return the line that is printed: place, level, pattern, words, suggestion."""
        level = "error" if self.is_error else "warning"
        return f"{self.path}:{self.line}: {level}: {self.pattern.name}: {self.text} -> {self.pattern.instead}"


@dataclass(frozen=True)
class Rules:
    """The patterns, and the expressions for accepted places."""

    patterns: tuple[Pattern, ...]
    allowed: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def load(cls, patterns: Path = PATTERNS, allowed: Path = ALLOWED) -> Rules:
        """Read the rules of this repository."""
        entries = tomllib.loads(patterns.read_text())["pattern"]
        lines = allowed.read_text().splitlines() if allowed.exists() else []
        expressions = [line for line in lines if line.strip() and not line.startswith("#")]
        return cls(tuple(map(Pattern.parse, entries)), tuple(re.compile(line, re.IGNORECASE) for line in expressions))

    def hits(self, passage: Passage) -> Iterator[Hit]:
        """Yield the matches in a passage that no expression for accepted places covers."""
        accepted: list[tuple[int, int]] | None = None
        for pattern in self.patterns:
            if passage.kind not in pattern.only_in:
                continue
            for match in pattern.regex.finditer(passage.text):
                if accepted is None:
                    accepted = [found.span() for regex in self.allowed for found in regex.finditer(passage.text)]
                if not any(start <= match.start() and match.end() <= end for start, end in accepted):
                    yield Hit(
                        passage.path,
                        passage.line_at(match.start()),
                        pattern,
                        pattern.is_error and passage.kind not in pattern.warn_in,
                        _surroundings(passage.text, match.start(), match.end()),
                    )


def files(paths: Sequence[str] = ()) -> list[str]:
    """Return the files with prose, relative to the root: all of the work tree, or those at and below `paths`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted({path for path in listed if has_prose(path) and (ROOT / path).is_file()})


def has_prose(path: str) -> bool:
    """Return True if the check reads `path`."""
    return not path.startswith(EXCLUDED) and (path.endswith((".md", ".py", ".yaml", ".yml")) or is_config(path))


def corpus_of(path: str) -> str:
    """Return the part of the repository that `path` counts to."""
    if path in _GENERATED:
        return "generated"
    return next((corpus for prefix, corpus in _CORPORA.items() if path.startswith(prefix)), "docs")


def find_hits(paths: Iterable[str], rules: Rules) -> list[Hit]:
    """Return the hits in files, ordered by place."""
    found = [
        hit for path in paths for passage in passages(path, (ROOT / path).read_text()) for hit in rules.hits(passage)
    ]
    return sorted(found, key=lambda hit: (hit.path, hit.line))


def count_hits(hits: Iterable[Hit]) -> Counter[tuple[str, str]]:
    """Return the number of hits per corpus and pattern."""
    return Counter((hit.corpus, hit.pattern.name) for hit in hits)


def _surroundings(text: str, start: int, end: int, width: int = 30) -> str:
    before, after = text[max(start - width, 0) : start], text[end : end + width]
    return f'"{"..." * (start > width)}{before}{text[start:end]}{after}{"..." * (end + width < len(text))}"'
