"""Names of tests: the subject and its behaviour, in at most 60 characters (CONTRIBUTING.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
MAX_LENGTH = 60
NO_SUBJECT = {"a", "an", "the", "it", "what", "who", "which", "when", "where", "how", "whoever", "of"}
"""Words that a name must not begin with: the subject comes first."""
UNCLEAR = {"nobody", "somebody", "whoever", "told", "tells", "says", "said", "speaks", "anew", "looked", "goes", "ours"}


def names() -> Iterator[str]:
    """Yield the names of all tests."""
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield node.name


def problem(name: str) -> str | None:
    """Return what is wrong with a name; None if nothing is."""
    words = name.removeprefix("test_").split("_")
    if len(name) > MAX_LENGTH:
        return f"{name}: {len(name)} characters"
    if words[0] in NO_SUBJECT:
        return f"{name}: begins with {words[0]!r} instead of the subject"
    if unclear := UNCLEAR.intersection(words):
        return f"{name}: {', '.join(sorted(unclear))}"
    return None


def test_names_have_a_subject_and_plain_words() -> None:
    found = list(names())
    assert len(found) > 500
    assert [text for name in found if (text := problem(name)) is not None] == []


def test_unclear_names_are_found() -> None:
    assert problem("test_a_key_waits") == "test_a_key_waits: begins with 'a' instead of the subject"
    assert problem("test_server_is_told") == "test_server_is_told: told"
    assert problem("test_" + "x" * 60) == f"test_{'x' * 60}: 65 characters"
    assert problem("test_waiting_key_is_not_added_twice") is None
