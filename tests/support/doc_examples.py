"""Runs the examples of a document: ```console blocks with `$ command` and its output, and files in ```yaml blocks.

A file is a ```yaml block whose line before names it, as in "`iris.yaml`:". A command whose output ends in the line
`(exit code N)` fails with it; others must succeed.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_FILE = re.compile(r"^`([\w./-]+)`[^\n]*:\n+```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXIT_CODE = re.compile(r"^\(exit code (\d+)\)\n", re.MULTILINE)
COLUMNS = "100"
"""Width of the help texts in documents."""


@dataclass(frozen=True)
class Example:
    """A command of a document, and what it prints."""

    command: str
    output: str
    exit_code: int


def files_of(document: Path) -> dict[str, str]:
    """Return the files that a document shows, by name."""
    return dict(_FILE.findall(document.read_text(encoding="utf-8")))


def examples_of(document: Path) -> Iterator[Example]:
    """Yield the commands of a document in their order."""
    for block in _BLOCK.findall(document.read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            match = _EXIT_CODE.search(output)
            yield Example(command, _EXIT_CODE.sub("", output), int(match.group(1)) if match else 0)


def run_example(example: Example, directory: Path, environment: Mapping[str, str] | None = None) -> tuple[str, int]:
    """Run a command in a directory; return what it prints to standard output and error, and its exit code."""
    scripts = str(Path(sys.executable).parent)
    variables = {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": COLUMNS, "HOME": str(directory)}
    result = subprocess.run(
        ["bash", "-c", example.command],
        cwd=directory,
        env=variables | dict(environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    return result.stdout, result.returncode
