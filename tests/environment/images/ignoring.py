"""The rules of a .dockerignore file, so that the cache key covers the files that the builder sees, and no others.

Syntax: Docker's "Build context" reference. The last rule that matches a path or one of its parents decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from pathlib import PurePosixPath

_WILDCARDS: Final = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_TOKEN: Final = re.compile(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|.")


@dataclass(frozen=True)
class Rule:
    """One line: the paths that it matches, and whether it excludes or includes them."""

    pattern: re.Pattern[str]
    excludes: bool

    @classmethod
    def parse(cls, line: str) -> Self:
        glob = line.removeprefix("!").strip().strip("/")
        pieces = (_translate(token) for token in _TOKEN.findall(glob))
        return cls(pattern=re.compile("".join(pieces)), excludes=not line.startswith("!"))

    def covers(self, path: PurePosixPath) -> bool:
        return any(self.pattern.fullmatch(str(part)) for part in (path, *path.parents))


@dataclass(frozen=True)
class IgnoreRules:
    """All rules of one file."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Rules of the text of a .dockerignore file."""
        lines = (line.strip() for line in text.splitlines())
        return cls(tuple(Rule.parse(line) for line in lines if line and not line.startswith("#")))

    def excludes(self, path: PurePosixPath) -> bool:
        """Return True if the builder never sees the file at `path` (relative to the context's directory)."""
        verdicts = [rule.excludes for rule in self.rules if rule.covers(path)]
        return bool(verdicts) and verdicts[-1]


def _translate(token: str) -> str:
    if token.startswith("[") and len(token) > 1:
        return token.replace("[!", "[^")
    return _WILDCARDS.get(token) or re.escape(token)
