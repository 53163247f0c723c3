"""Builds the Go operator with the project's own Go, once per source, outside the work tree."""

import re
from pathlib import Path

from bench.commands import output_of
from tests.environment.cluster.go_program import go_program
from tests.environment.cluster.toolchain import go_command

SOURCE = Path(__file__).parent / "peers" / "go"


def go_operator() -> Path:
    """Return the program, building it where the cache has none of this source."""
    return go_program(SOURCE, "bench-go-operator")


def required_version(module: str) -> str:
    """Return the version of a module that go.mod requires."""
    match = re.search(rf"^\t{re.escape(module)} (v\S+)", (SOURCE / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else "?"


def go_version() -> str:
    """Return the version of the compiler, such as go1.26.8."""
    return output_of((go_command(), "env", "GOVERSION"), what="Asking Go for its version").strip()
