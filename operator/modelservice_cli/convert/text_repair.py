"""Repairs manifests that are not YAML, where their meaning is plain: indentation, placeholders, tabs, missing `---`.

A repair is only made where the text cannot be parsed, or where two objects share a document. Each is one note.
"""

import re
from collections.abc import Callable, Iterator

from modelservice_cli.convert.layout import misplaced_fields
from modelservice_cli.convert.notes import Change, Notes
from modelservice_cli.documents import Document, parse
from modelservice_cli.errors import CliError

_MAX_REPAIRS = 20
_PLACEHOLDER = re.compile(
    r"\{\{-?\s*[^}]*\}\}|\$\{[^}\n]*\}|\$\([A-Za-z_]\w*\)|<[A-Za-z][\w .-]*>|%[A-Za-z_]\w*%|@[A-Za-z_]\w*@"
)
"""Text that a program replaces: of Helm, envsubst, make, documentation, batch files and configure."""
_LINE_OF = re.compile(r":(\d+): ")
_KEY = re.compile(r"^(\s*(?:- )*)([A-Za-z][\w./-]*):(?:\s|$)")
_TYPOGRAPHY = str.maketrans({"\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "\u00a0": " ", "\u200b": None})


def read_repaired(text: str, source: str, notes: Notes) -> list[Document]:
    """Return the objects of a text. Raises CliError if it is not YAML and cannot be repaired."""
    text = _split_objects(text, source, notes)
    try:
        return parse(text, source)
    except CliError as error:
        first = error
    for repair in (_without_templates, _with_plain_characters, _without_duplicates, _with_indentation):
        repaired = repair(text, source)
        if repaired is None:
            continue
        changed, sentences = repaired
        try:
            documents = parse(changed, source)
        except CliError:
            text = changed  # the next repair may complete it
            _pending(notes, source, sentences)
            continue
        _pending(notes, source, sentences)
        return documents
    raise first


def _pending(notes: Notes, source: str, sentences: list[str]) -> None:
    for sentence in sentences:
        notes.add(Change.REPAIRED, source, sentence)


def plain_placeholder(text: str) -> str:
    """Return `text` with each placeholder as a plain word: `${IMAGE_TAG}` becomes IMAGE_TAG."""
    return _PLACEHOLDER.sub(lambda match: _word(match.group()), text)


def has_placeholder(text: str) -> bool:
    """Return True if a program must replace a part of the text before it is used."""
    return _PLACEHOLDER.search(text) is not None


def _word(placeholder: str) -> str:
    default = re.fullmatch(r"\$\{\w+:?-([^}]+)\}", placeholder)
    if default is not None:
        return default.group(1)
    words = re.findall(r"[A-Za-z0-9_]+", placeholder)
    return (words[-1] if placeholder.startswith("{{") else "-".join(words)) if words else "PLACEHOLDER"


def _split_objects(text: str, source: str, notes: Notes) -> str:
    """Insert the `---` that is missing before a second object of a document, which begins with apiVersion or kind."""
    lines, seen, result = text.splitlines(keepends=True), set[str](), []
    missing = False
    for line in lines:
        if re.match(r"^(---|\.\.\.)", line):
            seen.clear()
        key = re.match(r"^(apiVersion|kind):", line)
        if key is not None:
            # The two keys come in either order: the second occurrence of one begins the next object.
            if key.group(1) in seen:
                result.append("---\n")
                seen.clear()
                missing = True
            seen.add(key.group(1))
        result.append(line)
    if not missing:
        return text
    notes.add(
        Change.REPAIRED, source, "--- is missing between two objects, so that the second one would replace the first."
    )
    return "".join(result)


def _without_templates(text: str, source: str) -> tuple[str, list[str]] | None:
    """Quote values that consist of placeholders, and drop lines that only control a template."""
    lines, sentences = [], []
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        stripped = line.strip()
        if re.fullmatch(r"\{\{-?\s*(if|else|end|range|with|include|define|template)\b.*\}\}", stripped):
            sentences.append(f"line {number} of {source} controls a template, and is ignored: {stripped}")
            continue
        match = re.match(r"^(\s*(?:- )*(?:[\w./-]+:\s+)?(?:- )?)([^\s#'\"].*?)(\s*(?:\s#.*)?)$", line.rstrip("\n"))
        if (
            match
            and _PLACEHOLDER.search(match.group(2))
            and ":" not in match.group(2).replace("://", "").split(" ")[0][:0]
        ):
            value = match.group(2)
            if not value.startswith(("[", "{")) or value.startswith("{{"):
                quoted = "'" + value.replace("'", "''") + "'"
                lines.append(f"{match.group(1)}{quoted}{match.group(3)}\n")
                continue
        lines.append(line)
    changed = "".join(lines)
    if changed == text:
        return None
    return changed, [*sentences, "placeholders of a template are read as text."]


def _with_plain_characters(text: str, _source: str) -> tuple[str, list[str]] | None:
    """Replace tabs and typographic quotes, which text processors insert."""
    changed = "".join(
        re.sub(r"^[ \t]+", lambda match: match.group().replace("\t", "  "), line)
        for line in text.splitlines(keepends=True)
    ).translate(_TYPOGRAPHY)
    changed = re.sub(r"(?m)^(\s*(?:- )?[A-Za-z][\w./-]*:)\t+", r"\1 ", changed)
    return (changed, ["tabs and typographic characters are read as spaces and quotes."]) if changed != text else None


def _with_indentation(text: str, source: str) -> tuple[str, list[str]] | None:
    """Move lines whose indentation ends the parse to that of a line before them."""
    sentences: list[str] = []
    for _ in range(_MAX_REPAIRS):
        line = _error_line(text, source)
        if line is None:
            # With a field at a wrong place, the meaning is not plain: the error names the line.
            return (text, sentences) if _quality(text, source, 0)[1] == 0 else None
        better = next(_reindented(text, line, source), None)
        if better is None:
            return (text, sentences) if sentences else None
        text, sentence = better
        sentences.append(sentence)
    return None


def _reindented(text: str, line: int, source: str) -> Iterator[tuple[str, str]]:
    """Yield texts in which the line of the error, or one next to it, and what is below it are moved: the best first.

    That is the one with the fewest fields at a wrong place, of those that parse; otherwise the one that parses further.
    """
    lines = text.splitlines(keepends=True)
    found: list[tuple[int, int, int, str, str]] = []
    for start in (index for index in (line - 1, *range(line - 2, line - 10, -1), line) if 0 <= index < len(lines)):
        for wanted in _indentations(lines, start):
            for rank, moved in enumerate((_move_block, _move_line, _move_only)):
                changed = moved(lines, start, wanted)
                if changed == text:
                    continue
                reached, misplaced = _quality(changed, source, len(lines) + 1)
                if reached > line:
                    sentence = (
                        f"not YAML at line {start + 1}: {lines[start].strip()!r} is indented by {_indent(lines[start])}"
                        f" spaces, {wanted} are meant."
                    )
                    found.append((-reached, misplaced, rank, changed, sentence))
    for *_, changed, sentence in sorted(found, key=lambda entry: entry[:3]):
        yield changed, sentence


def _quality(text: str, source: str, end: int) -> tuple[int, int]:
    """Return the line that is reached, and the number of misplaced fields of a text that can be parsed."""
    try:
        documents = parse(text, source)
    except CliError as error:
        match = _LINE_OF.search(str(error).removeprefix(source))
        return (int(match.group(1)) if match else 1), 0
    return end, misplaced_fields(document.value for document in documents)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _indentations(lines: list[str], start: int) -> list[int]:
    """Return the indentations of keys shortly before a line, the nearest first.

    The keys of an item begin behind its dash.
    """
    found: list[int] = []
    for line in (*reversed(lines[max(0, start - 12) : start]), *lines[start + 1 : start + 3]):
        match = _KEY.match(line)
        if match:
            for indent in (len(match.group(1)), _indent(line), len(match.group(1)) + 2):
                if indent not in found:
                    found.append(indent)
    return [indent for indent in found if indent != _indent(lines[start])]


def _move_block(lines: list[str], start: int, wanted: int) -> str:
    """Return the text with a line, those below it and its siblings moved."""
    own = _indent(lines[start])
    end = start + 1
    while (
        end < len(lines)
        and (not lines[end].strip() or _indent(lines[end]) >= own)
        and not (_indent(lines[end]) <= own and lines[end].lstrip().startswith(("- ", "---")))
    ):
        end += 1
    return _moved(lines, start, end, wanted - own)


def _move_line(lines: list[str], start: int, wanted: int) -> str:
    """Return the text with a line and those below it moved, but not its siblings."""
    own = _indent(lines[start])
    end = start + 1
    while end < len(lines) and (not lines[end].strip() or _indent(lines[end]) > own):
        end += 1
    return _moved(lines, start, end, wanted - own)


def _move_only(lines: list[str], start: int, wanted: int) -> str:
    """Return the text with one line moved."""
    return _moved(lines, start, start + 1, wanted - _indent(lines[start]))


def _moved(lines: list[str], start: int, end: int, by: int) -> str:
    block = [
        (" " * by + line if by > 0 else line[min(-by, _indent(line)) :]) if line.strip() else line
        for line in lines[start:end]
    ]
    return "".join([*lines[:start], *block, *lines[end:]])


def _without_duplicates(text: str, source: str) -> tuple[str, list[str]] | None:
    """Remove the first of two equal keys: parsers without this check use the last one."""
    sentences: list[str] = []
    for _ in range(_MAX_REPAIRS):
        try:
            parse(text, source)
        except CliError as error:
            match = re.search(r":(\d+): key '(.+)' is already set", str(error))
            if match is None:
                return (text, sentences) if sentences else None
            removed = _remove_first(text, int(match.group(1)), match.group(2))
            if removed is None:
                return None
            text = removed
            sentences.append(
                f"{match.group(2)} is set twice in one object: the second one, at line {match.group(1)}, is used."
            )
        else:
            return text, sentences
    return None


def _remove_first(text: str, second: int, key: str) -> str | None:
    lines = text.splitlines(keepends=True)
    wanted = _indent(lines[second - 1])
    for index in range(second - 2, -1, -1):
        if _indent(lines[index]) == wanted and re.match(rf"\s*['\"]?{re.escape(key)}['\"]?:", lines[index]):
            end = index + 1
            while end < second - 1 and (not lines[end].strip() or _indent(lines[end]) > wanted):
                end += 1
            # Lines stay where they are, so that positions of later messages are those of the input.
            return "".join([*lines[:index], *("\n" for _ in lines[index:end]), *lines[end:]])
    return None


def _error_line(text: str, source: str) -> int | None:
    """Return the line of the first error, from 1; None if the text is YAML."""
    try:
        parse(text, source)
    except CliError as error:
        match = _LINE_OF.search(str(error).removeprefix(source))
        return int(match.group(1)) if match else 1
    return None


Repair = Callable[[str, str], tuple[str, list[str]] | None]
