"""Leaves out the flags and feature gates that a program does not have: they are written for the newest Kubernetes."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_GATES = "--feature-gates="


def help_of(program: Path) -> str:
    """Return the text of `--help`, which names every flag and every feature gate."""
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout


def supported(flags: Iterable[str], help_text: str) -> Iterator[str]:
    """Yield the flags that the program of a help text has; of feature gates the ones that it has."""
    known = set(re.findall(r"--[a-z][-a-z0-9]*", help_text))
    for flag in flags:
        if flag.startswith(_GATES):
            yield from _supported_gates(flag, help_text)
        elif flag.partition("=")[0] in known:
            yield flag


def _supported_gates(flag: str, help_text: str) -> Iterator[str]:
    known = set(re.findall(r"\b([A-Z]\w+)=true\|false", help_text))
    gates = [gate for gate in flag.removeprefix(_GATES).split(",") if gate.partition("=")[0] in known]
    if gates:
        yield f"{_GATES}{','.join(gates)}"
