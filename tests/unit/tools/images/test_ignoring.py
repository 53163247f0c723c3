from pathlib import PurePosixPath

import pytest

from tests.environment.images.ignoring import IgnoreRules

ALLOW_LIST = "# what the image needs\n*\n!uv.lock\n!uv-*.whl\n!operator\n**/__pycache__\n"


@pytest.mark.parametrize(
    ("text", "path", "excluded"),
    [
        ("", "any/file", False),
        ("docs", "docs/index.md", True),
        ("/docs/", "docs/index.md", True),
        ("docs", "operator/docs", False),
        ("*.md", "README.md", True),
        ("*.md", "docs/index.md", False),
        ("**/*.md", "docs/deep/index.md", True),
        ("**/*.md", "README.md", True),
        ("docs/**", "docs/deep/index.md", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab].txt", "b.txt", True),
        ("a.c", "abc", False),
        ("*\n!docs/keep.md", "docs/keep.md", False),
        ("!keep\nkeep", "keep", True),
        (ALLOW_LIST, "uv.lock", False),
        (ALLOW_LIST, "uv-1.0-py3.whl", False),
        (ALLOW_LIST, "Makefile", True),
        (ALLOW_LIST, "tests/uv.lock", True),
        (ALLOW_LIST, "operator/package/module.py", False),
        (ALLOW_LIST, "operator/package/__pycache__/module.pyc", True),
    ],
)
def test_last_matching_dockerignore_rule_decides(text: str, path: str, *, excluded: bool) -> None:
    assert IgnoreRules.parse(text).excludes(PurePosixPath(path)) is excluded
