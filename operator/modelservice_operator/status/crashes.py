"""Explains the crash of a model server from its log and exit code, with the field of the spec to change."""

import re
import string
from dataclasses import dataclass
from functools import cache, lru_cache
from string import Template

from modelservice_operator.api.v1alpha1.spec import ModelServiceSpec
from modelservice_operator.resources.security_context import UNPRIVILEGED_USER
from modelservice_operator.status.crash_causes import CRASH_CAUSES, CRASH_SUMMARIES, EXIT_CODE_CAUSES, CrashCause
from modelservice_operator.status.path_advice import (
    advice_to_access,
    advice_to_find,
    advice_to_write,
    last_path,
    model_path,
)
from modelservice_operator.status.pods import Termination
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import normalize, truncate

_FRAME = re.compile(r"\bFile \"[^\"]+\", line \d+|^\s+at [\w.$]+\(")
"""Frames of stack traces, whose paths and names do not describe the error."""
_LETTER_OR_ESCAPE = re.compile(r"\\.|[A-Z]")
"""Letters of a pattern in upper case; of escapes such as \\S, the case has a meaning."""
_ANYTHING = "\0"
_NOT_LITERAL = tuple(
    re.compile(part)
    for part in (r"\\.", r"\[[^\]]*\]", r"\([^()]*\)", r"[^\0](?:[*+?]|\{[^}]*\})", r"[*+?.^$]|\{[^}]*\}")
)
"""Parts of a pattern that are not literal text, in the order in which they can be replaced."""
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_MAX_LINE_CHARS = 200
"""Characters of a quoted line: the cause and the advice follow it."""


@dataclass(frozen=True, slots=True)
class Crash:
    """Explanation of a crash."""

    line: str = ""
    """Log line with the cause; empty if no line has a known cause."""
    advice: str = ""
    """The cause and the advice; empty if they are unknown."""


def explain_crash(last: Termination, snapshot: Snapshot) -> Crash:
    """Return the explanation of a termination of the model container."""
    found = find_cause(last.message)
    if found is not None:
        line, cause = found
        return Crash(_quote(line, cause, snapshot), _render(cause, normalize(line, snapshot), snapshot.service.spec))
    by_code = EXIT_CODE_CAUSES.get(last.exit_code)
    return Crash() if by_code is None else Crash("", _render(CrashCause("", *by_code), "", snapshot.service.spec))


@lru_cache(maxsize=256)
def find_cause(log: str) -> tuple[str, CrashCause] | None:
    """Return the last line with a known cause, and the cause. The end of a traceback contains the error."""
    lines = [line for line in reversed(log.splitlines()) if not _FRAME.search(line)]
    return _first_match(lines, CRASH_CAUSES) or _first_match(lines, CRASH_SUMMARIES)


def _first_match(lines: list[str], table: tuple[CrashCause, ...]) -> tuple[str, CrashCause] | None:
    lowered = [_lower(line) for line in lines]
    log = "\n".join(lowered)
    # Finding a word takes a twentieth of the time of a pattern, and most logs contain words that few patterns require.
    possible = [cause for cause in table if any(word in log for word in required_words(cause.pattern))]
    pairs = zip(lines, lowered, strict=True)
    return next(
        ((line, cause) for line, text in pairs for cause in possible if _compiled(cause.pattern).search(text)), None
    )


@cache
def required_words(pattern: str) -> tuple[str, ...]:
    """Return a text for each alternative of a pattern, without case: all that the alternative matches contains it.

    It is empty if the alternative consists of groups and classes only.
    """
    for part in _NOT_LITERAL:
        count = 1
        while count:  # groups are in groups
            pattern, count = part.subn(_ANYTHING, pattern)
    return tuple(max(alternative.split(_ANYTHING), key=len) for alternative in _lower(pattern).split("|"))


def _search(cause: CrashCause, text: str) -> re.Match[str] | None:
    return _compiled(cause.pattern).search(_lower(text))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile the pattern for text in lower case: with IGNORECASE, a search takes several times as long."""
    return re.compile(
        _LETTER_OR_ESCAPE.sub(lambda match: _lower(match[0]) if len(match[0]) == 1 else match[0], pattern)
    )


def _lower(text: str) -> str:
    """Return text of the same length with the letters of ASCII in lower case."""
    return text.translate(_LOWER)


def _quote(line: str, cause: CrashCause, snapshot: Snapshot) -> str:
    """Return the line, from its cause on if it is long."""
    text = normalize(line, snapshot)
    match = _search(cause, text)
    if match is not None and match.end() >= _MAX_LINE_CHARS:
        text = f"…{text[match.start() :]}"
    return truncate(text, _MAX_LINE_CHARS)


def _render(cause: CrashCause, line: str, spec: ModelServiceSpec) -> str:
    """Return cause and advice, with the facts of the log line and of the spec."""
    path, user = last_path(line), spec.run_as_user
    return Template(f"{cause.cause} {cause.advice}").substitute(
        path=path or "a path that this line does not name",
        user=f"user {UNPRIVILEGED_USER}, the default of runAsUser" if user is None else f"user {user} (runAsUser)",
        port=spec.container_port,
        model_path=model_path(spec) or "/mnt/models",
        mount=advice_to_write(path, spec),
        access=advice_to_access(path, spec),
        missing=advice_to_find(path, spec),
    )
