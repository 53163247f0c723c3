"""Command line: `python -m tests.fuzz [--seconds N] [NAME ...]`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.fuzz.fuzzer import fuzz
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Fuzz the targets one after another; a failing input is written to the corpus, and ends the run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="time for each target (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="seed of the changes (default: the time)")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(TARGETS)} (default: all)")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(TARGETS):
        parser.error(f"unknown target: {', '.join(sorted(unknown))}")
    for name in chosen.names or TARGETS:
        count = fuzz(name, chosen.seconds, seed=chosen.seed, failures=Path(__file__).parent / "corpus")
        print(f"{name}: {count} inputs in {chosen.seconds:g} s, seed {chosen.seed}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
