"""Reads YAML and JSON documents of files, directories and standard input, with the line of every field.

Values are those that kubectl sends. It resolves YAML as Go's yaml.v2 does (through sigs.k8s.io/yaml): `on` is true,
`1e3` a number, and a date a string.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from modelservice_cli.errors import CliError, ExitCode
from modelservice_cli.go_text import MAX_JSON_INTEGER, to_go

Path_ = tuple[str | int, ...]
"""Path of a field: keys of objects and indices of lists."""
_EXTENSIONS = (".yaml", ".yml", ".json")
_MAX_FIELDS = 200_000
"""Aliases of aliases make objects of any size from a few lines."""
_MAX_DEPTH = 100
"""Levels of lists and objects; the schema of ModelServices has 12."""
_INDENTATION = re.compile(r"^[ ?:-]+", re.MULTILINE)
_MAX_INTEGER = 2**64 - 1
"""Greater numbers are floats in Go."""


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a source. Each item of a List is a document."""

    value: Any
    source: str
    """Path as given; `-` is standard input."""
    number: int
    """Number of the YAML document in its source, from 1."""
    line: int
    """First line of the object, from 1."""
    lines: dict[Path_, int] = field(default_factory=dict, repr=False)
    """Line of each field."""

    def line_of(self, path: Sequence[str | int]) -> int:
        """Return the line of a field, or of the nearest field above it."""
        steps = tuple(path)
        while steps and steps not in self.lines:
            steps = steps[:-1]
        return self.lines.get(steps, self.line)

    def position(self, path: Sequence[str | int] = ()) -> str:
        """Return `source:line` of the object or of one of its fields."""
        return f"{self.source}:{self.line_of(path)}"


def read(sources: Iterable[str]) -> list[Document]:
    """Return the objects of all sources in their order. Empty documents are left out.

    Of a directory, the files with the extensions yaml, yml and json are read, as with `kubectl -f`.
    Raises CliError if a source cannot be read or parsed, or there is no object.
    """
    documents = [document for source in sources for document in _read_source(source)]
    if not documents:
        raise CliError(
            "There is no object to read: name files or directories, or - for standard input.", ExitCode.USAGE
        )
    return documents


def parse(text: str, source: str) -> list[Document]:
    """Return the objects of a text. Raises CliError with the line if it is not YAML."""
    try:
        return list(_parse(text, source))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark else source
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise CliError(f"{where}: not YAML: {problem}.", ExitCode.USAGE) from error
    except yaml.YAMLError as error:
        raise CliError(f"{source}: not YAML: {str(error).partition(chr(10))[0]}.", ExitCode.USAGE) from error


def _read_source(source: str) -> Iterator[Document]:
    if source == "-":
        yield from parse(_decode(sys.stdin.buffer.read(), source), source)
        return
    path = Path(source)
    try:
        files = sorted(one for one in path.iterdir() if one.suffix in _EXTENSIONS) if path.is_dir() else [path]
        for file in files:
            yield from parse(_decode(file.read_bytes(), str(file)), str(file))
    except OSError as error:
        raise CliError(f"Cannot read {source}: {error.strerror or error}.", ExitCode.USAGE) from error


def _decode(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CliError(f"{source}: not UTF-8 text, at byte {error.start}.", ExitCode.USAGE) from error


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """Resolves plain scalars as yaml.v2 does (resolve.go), and remembers lines."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  as PyYAML declares it


for _tag, _pattern, _first in (
    ("bool", r"^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$", "yYnNtTfFoO"),
    ("int", r"^[-+]?(?:0b[0-1_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+."),
    ("merge", r"^<<$", "<"),
    ("null", r"^(?:~|null|Null|NULL|)$", "~nN\0"),
):  # fmt: skip
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}",
        re.compile(_pattern),
        list(_first.replace("\0", "")) + ([""] if "\0" in _first else []),
    )


def _construct_bool(loader: Any, node: yaml.ScalarNode) -> bool:
    return str(loader.construct_scalar(node)).lower() in {"y", "yes", "true", "on"}


def _construct_int(loader: Any, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).replace("_", "").lower()
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if digits.startswith(("0b", "0x", "0o")):
        number = sign * int(digits, 0)
    else:
        number = sign * int(digits, 8 if digits.startswith("0") and digits != "0" else 10)
    return number if abs(number) <= _MAX_INTEGER else float(number)


def _construct_float(loader: Any, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).replace("_", "").lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor("tag:yaml.org,2002:bool", _construct_bool)
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)
_Loader.add_constructor("tag:yaml.org,2002:merge", lambda loader, node: loader.construct_scalar(node))
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))


def _parse(text: str, source: str) -> Iterator[Document]:
    _check_depth(text, source)
    loader = _Loader(text)
    try:
        number = 0
        while loader.check_node():
            number += 1
            node = loader.get_node()
            lines: dict[Path_, int] = {}
            _collect_lines(node, (), lines, _Place(source))
            value = _as_json(loader.construct_document(node))
            if value is not None:
                yield from _expand(Document(value, source, number, node.start_mark.line + 1, lines))
    finally:
        loader.dispose()


def _check_depth(text: str, source: str) -> None:
    """Raise CliError for deeply nested text: libyaml composes it recursively, and overflows the stack."""
    possible = text.count("[") + text.count("{") + max(map(len, _INDENTATION.findall(text)), default=0)
    if possible <= _MAX_DEPTH:
        return  # without a second pass over the text
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            where = f"{source}:{event.start_mark.line + 1 if event.start_mark else 1}"
            raise CliError(f"{where}: the object is nested more than {_MAX_DEPTH} levels deep.", ExitCode.USAGE)


def _collect_lines(node: yaml.Node, path: Path_, lines: dict[Path_, int], where: "_Place") -> None:
    """Record the line of every field. Raises CliError if a key occurs twice, as kubectl rejects it."""
    if node in where.ancestors:
        raise where.error(node, "not YAML: an alias contains itself")
    if len(lines) > _MAX_FIELDS:
        raise where.error(node, f"the object has more than {_MAX_FIELDS} fields, counted where aliases are used")
    below = replace(where, ancestors=[*where.ancestors, node])
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            step = str(key.value)
            if (*path, step) in lines and step != "<<":
                raise where.error(key, f"key {step!r} is already set in this object")
            lines[*path, step] = key.start_mark.line + 1
            _collect_lines(value, (*path, step), lines, below)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[*path, index] = value.start_mark.line + 1
            _collect_lines(value, (*path, index), lines, below)


@dataclass(frozen=True, slots=True)
class _Place:
    source: str
    ancestors: list[yaml.Node] = field(default_factory=list)

    def error(self, node: yaml.Node, problem: str) -> CliError:
        return CliError(f"{self.source}:{node.start_mark.line + 1}: {problem}.", ExitCode.USAGE)


def _as_json(value: Any) -> Any:
    """Return a value as kubectl writes it as JSON: keys are texts, and 1.0 is 1 (sigs.k8s.io/yaml)."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else to_go(key): _as_json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < MAX_JSON_INTEGER
    return int(value) if is_whole else value


def _expand(document: Document) -> Iterator[Document]:
    """Yield the items of a List, or the document."""
    value = document.value
    if not (
        isinstance(value, dict) and str(value.get("kind", "")).endswith("List") and isinstance(value.get("items"), list)
    ):
        yield document
        return
    for index, item in enumerate(value["items"]):
        prefix: Path_ = ("items", index)
        lines = {path[2:]: line for path, line in document.lines.items() if path[:2] == prefix}
        yield from _expand(Document(item, document.source, document.number, lines.get((), document.line), lines))
