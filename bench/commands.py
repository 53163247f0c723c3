"""Programs that prepare a run: started, waited for, and their words on failure."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.errors import BenchError

_LINES = 12


def output_of(
    command: Sequence[str | Path],
    *,
    what: str,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    seconds: float = 900,
) -> str:
    """Return what a program prints; BenchError says `what` failed, and ends with the program's last words."""
    try:
        result = subprocess.run(  # noqa: S603 - programs and arguments are our own
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=seconds
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"{what} failed: {error}") from error
    if result.returncode:
        words = "\n".join((result.stderr or result.stdout).strip().splitlines()[-_LINES:])
        raise BenchError(f"{what} failed:\n{words}")
    return result.stdout
