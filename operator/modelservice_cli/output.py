"""Output of commands: tables as kubectl prints them, YAML, JSON and names; colours only on a terminal.

https://no-color.org: a variable NO_COLOR that is not empty switches colours off, whatever its value is.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, TextIO

from modelservice_operator.apimachinery.objects import Object

_COLUMN_GAP = 3


class Style(Enum):
    """SGR parameters (ECMA-48) of what is shown; the terminal chooses the tone."""

    GOOD = "32"
    """Ready, accepted, added."""
    BAD = "31"
    """Failed, refused, removed."""
    WARNING = "33"
    HEADING = "1"
    NOTE = "36"
    FAINT = "2"


def has_colours(stream: TextIO) -> bool:
    """Return True if `stream` is a terminal that may show colours."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: Style, stream: TextIO | None = None) -> str:
    """Return `text` in a style if `stream` (standard output by default) shows colours."""
    return f"\x1b[{style.value}m{text}\x1b[0m" if has_colours(stream or sys.stdout) else text


def format_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, header: bool = True) -> str:
    """Return lines with aligned columns, as kubectl prints them; the last column is not padded."""
    lines = [[str(cell) for cell in row] for row in rows]
    if header:
        lines.insert(0, [column.upper() for column in columns])
    widths = [max((_width(line[index]) for line in lines), default=0) for index in range(len(columns))]
    return "".join(
        "".join(
            cell if index == len(columns) - 1 else cell + " " * (widths[index] - _width(cell) + _COLUMN_GAP)
            for index, cell in enumerate(line)
        ).rstrip()
        + "\n"
        for line in lines
    )


def print_objects(objects: Sequence[Object], output: str, *, resource: str) -> None:
    """Print objects as `json`, `yaml` or `name`. Two or more become a List, as with kubectl; `name` has lines."""
    if output == "name":
        for one in objects:
            print(f"{resource}/{one['metadata']['name']}")
        return
    body: Any = objects[0] if len(objects) == 1 else {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    if output == "json":
        print(json.dumps(body, indent=4, ensure_ascii=False))
    else:
        sys.stdout.write(to_yaml(body))


def to_yaml(*bodies: object) -> str:
    """Return YAML documents without anchors, with the keys in their order."""
    import yaml

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  the signature is PyYAML's
            return True

    Dumper.add_multi_representer(str, lambda dumper, value: dumper.represent_str(str(value)))
    return yaml.dump_all(bodies, Dumper=Dumper, sort_keys=False, width=120, allow_unicode=True)


def _width(text: str) -> int:
    """Return the columns of `text`, without its colours."""
    width, rest = 0, text
    while "\x1b[" in rest:
        plain, _, rest = rest.partition("\x1b[")
        width += len(plain)
        rest = rest.partition("m")[2]
    return width + len(rest)
