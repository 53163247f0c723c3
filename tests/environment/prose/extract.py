"""Reads prose from source files, as passages that know their lines.

A passage is a paragraph, a list item or a table row of Markdown; a docstring, a string literal with a space or a block
of comments of Python; a description or message of a Kubernetes manifest; a block of comments of a configuration file.
White space in a passage is folded, so that a phrase is found across a line break.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PLACEHOLDER = "{}"
"""Stands in a passage where an f-string has an expression."""
_MESSAGE_KEYS = frozenset({"message", "messageExpression"})
_CODE_SPAN = re.compile(r"`[^`]*`")
_LINK_TARGET = re.compile(r"\]\([^)]*\)|https?://\S+")
_LIST_ITEM = re.compile(r"\s*(?:[-*+]|\d+\.)\s")
_DIRECTIVE = re.compile(r"#\s*(?:noqa|type:|!|pragma|ruff:|mypy:)")
_CONFIG_COMMENT = re.compile(r"(?:^|\s)#+\s+(.*)")
_LITERAL_START = re.compile(r"""^\s*(?:[A-Za-z_]\w*\s*[=(]\s*)*[fFrRbBuU]{0,2}["']{1,3}""")


class Kind(StrEnum):
    """Kind of a passage."""

    MARKDOWN = "markdown"
    COMMENT = "comment"
    DOCSTRING = "docstring"
    STRING = "string"
    DESCRIPTION = "description"
    MESSAGE = "message"


@dataclass(frozen=True)
class Passage:
    """Prose of one file, in one line, with the source line of each part."""

    path: str
    kind: Kind
    text: str
    starts: tuple[tuple[int, int], ...]
    """Offsets into `text` at which a source line begins, and the numbers of these lines."""

    def line_at(self, offset: int) -> int:
        """Return the number of the source line that holds the character at `offset`."""
        return self.starts[max(bisect_right(self.starts, (offset, 1 << 30)) - 1, 0)][1]


def passages(path: str, source: str) -> Iterator[Passage]:
    """Yield the passages of one file. Files of unknown types have none."""
    if path.endswith(".md"):
        yield from _markdown(path, source)
    elif path.endswith(".py"):
        yield from _python(path, source)
    elif path.endswith((".yaml", ".yml")):
        yield from _config_comments(path, source)
        yield from _manifest(path, source)
    elif is_config(path):
        yield from _config_comments(path, source)


def is_config(path: str) -> bool:
    """Return True if `path` is a configuration file with `#` comments."""
    name = path.rpartition("/")[2]
    return name.endswith(".toml") or name in {"Makefile", "Dockerfile"}


def _passage(path: str, kind: Kind, lines: Iterable[tuple[int, str]]) -> Passage | None:
    """Join numbered lines with single spaces; None if they are empty."""
    parts: list[str] = []
    starts: list[tuple[int, int]] = []
    length = 0
    for number, line in lines:
        folded = " ".join(line.split())
        if folded:
            starts.append((length, number))
            parts.append(folded)
            length += len(folded) + 1
    return Passage(path, kind, " ".join(parts), tuple(starts)) if parts else None


def _markdown(path: str, source: str) -> Iterator[Passage]:
    block: list[tuple[int, str]] = []
    fenced = False
    for number, line in enumerate([*source.splitlines(), ""], start=1):
        is_fence = line.lstrip().startswith("```")
        fenced ^= is_fence
        starts_block = not line.strip() or line.startswith(("#", "|")) or _LIST_ITEM.match(line)
        if block and (is_fence or fenced or starts_block or block[-1][1].startswith(("#", "|"))):
            yield from _some(_passage(path, Kind.MARKDOWN, block))
            block = []
        if is_fence:
            continue
        if fenced:
            comment = _CONFIG_COMMENT.search(line)
            if comment:
                yield from _some(_passage(path, Kind.COMMENT, [(number, comment.group(1))]))
        else:
            block.append((number, _without_code(line.removeprefix(">"))))


def _without_code(line: str) -> str:
    """Replace code spans and link targets, which are names rather than prose."""
    return _LINK_TARGET.sub("]", _CODE_SPAN.sub("`x`", line))


def _python(path: str, source: str) -> Iterator[Passage]:
    yield from _python_comments(path, source)
    lines = source.splitlines()
    tree = ast.parse(source)
    statements = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in _literals(tree):
        text = " ".join(_value(node).split())
        if node in statements:
            rows = enumerate(_without_code(_value(node)).split("\n"), start=node.lineno)
            yield from _some(_passage(path, Kind.DOCSTRING, rows))
        elif " " in text:
            yield Passage(path, Kind.STRING, text, _literal_starts(node, text, lines))


def _literals(tree: ast.AST) -> Iterator[ast.Constant | ast.JoinedStr]:
    """Yield string literals; an f-string once, as a whole, followed by the literals within its expressions."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.JoinedStr):
            yield node
            stack += [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                yield node
        else:
            stack += reversed(list(ast.iter_child_nodes(node)))


def _value(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(str(part.value) if isinstance(part, ast.Constant) else PLACEHOLDER for part in node.values)


def _literal_starts(node: ast.expr, text: str, lines: list[str]) -> tuple[tuple[int, int], ...]:
    """Find where the source lines of an implicitly concatenated literal begin in its value."""
    starts = [(0, node.lineno)]
    offset = 0
    for number in range(node.lineno + 1, (node.end_lineno or node.lineno) + 1):
        words = re.split(r"[{\\]", _LITERAL_START.sub("", lines[number - 1]).strip(), maxsplit=1)[0].strip("\"' )],")
        found = text.find(words, offset + 1) if words else -1
        if found > offset:
            offset = found
            starts.append((offset, number))
    return tuple(starts)


def _python_comments(path: str, source: str) -> Iterator[Passage]:
    block: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        own_line = not token.line[: token.start[1]].strip()
        if block and (not own_line or block[-1][0] != line - 1):
            yield from _some(_passage(path, Kind.COMMENT, block))
            block = []
        text = _without_code(_DIRECTIVE.split(token.string, maxsplit=1)[0].lstrip("#"))
        if own_line:
            block.append((line, text))
        else:
            yield from _some(_passage(path, Kind.COMMENT, [(line, text)]))
    yield from _some(_passage(path, Kind.COMMENT, block))


def _config_comments(path: str, source: str) -> Iterator[Passage]:
    block: list[tuple[int, str]] = []
    for number, line in enumerate([*source.splitlines(), ""], start=1):
        comment = _CONFIG_COMMENT.search(line)
        own_line = line.lstrip().startswith("#")
        if block and not own_line:
            yield from _some(_passage(path, Kind.COMMENT, block))
            block = []
        if comment and own_line:
            block.append((number, _without_code(comment.group(1))))
        elif comment:
            yield from _some(_passage(path, Kind.COMMENT, [(number, _without_code(comment.group(1)))]))


def _manifest(path: str, source: str) -> Iterator[Passage]:
    """Yield descriptions and messages, each text once: a schema repeats those of shared types."""
    seen: set[str] = set()
    for document in yaml.compose_all(source, Loader=yaml.CSafeLoader):
        for kind, scalar in _texts(document):
            if scalar.value not in seen:
                seen.add(scalar.value)
                rows = enumerate(scalar.value.split("\n"), start=scalar.start_mark.line + 1)
                yield from _some(_passage(path, kind, rows))


def _texts(node: yaml.Node) -> Iterator[tuple[Kind, yaml.ScalarNode]]:
    children: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        children = node.value
    elif isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            kind = _kind_of_key(name.value)
            if kind and isinstance(value, yaml.ScalarNode):
                yield kind, value
            else:
                children.append(value)
    for child in children:
        yield from _texts(child)


def _kind_of_key(name: object) -> Kind | None:
    if name == "description":
        return Kind.DESCRIPTION
    return Kind.MESSAGE if name in _MESSAGE_KEYS else None


def _some(passage: Passage | None) -> Iterator[Passage]:
    if passage is not None:
        yield passage
