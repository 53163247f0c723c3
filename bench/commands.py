"""Run programs that prepare a benchmark."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.errors import BenchError

_SHOWN_LINES = 12


def run_command(
    command: Sequence[str | Path],
    *,
    description: str,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    seconds: float = 900,
) -> str:
    """Return the output of a program. Raises BenchError with `description` and the program's last log lines."""
    try:
        result = subprocess.run(  # noqa: S603 - programs and arguments are constants
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=seconds
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"{description} failed: {error}") from error
    if result.returncode:
        lines = "\n".join((result.stderr or result.stdout).strip().splitlines()[-_SHOWN_LINES:])
        raise BenchError(f"{description} failed:\n{lines}")
    return result.stdout
