"""Build the Go operator with the project's Go toolchain, once per source, outside of the work tree."""

import re
from pathlib import Path

from bench.commands import run_command
from tests.environment.cluster.go_program import go_program
from tests.environment.cluster.toolchain import go_command

SOURCE = Path(__file__).parent / "peers" / "go"


def go_operator() -> Path:
    """Return the program; build it if the cache has none for this source."""
    return go_program(SOURCE, "bench-go-operator")


def required_version(module: str) -> str:
    """Return the version of a module that go.mod requires."""
    match = re.search(rf"^\t{re.escape(module)} (v\S+)", (SOURCE / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else "?"


def go_version() -> str:
    """Return the version of the compiler, such as go1.26.8."""
    return run_command((go_command(), "env", "GOVERSION"), description="Reading the version of Go").strip()
