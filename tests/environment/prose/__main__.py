"""Command line: `python -m tests.environment.prose [--count] [PATH ...]`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import TYPE_CHECKING

from tests.environment.prose.check import Hit, Rules, count_hits, files, find_hits

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def main(arguments: Sequence[str]) -> int:
    """Check the prose of the repository; return the exit code."""
    chosen = _parser().parse_args(arguments)
    hits = find_hits(files(chosen.paths), Rules.load())
    if chosen.count:
        _print_counts(hits)
        return 0
    _print_hits(hits)
    if not any(hit.is_error for hit in hits):
        return 0
    print("Rewrite these texts, or accept a place in allowed.txt.", file=sys.stderr)
    return 1


def _print_hits(hits: Iterable[Hit]) -> None:
    for hit in hits:
        print(hit)


def _print_counts(hits: Sequence[Hit]) -> None:
    """Print a table of patterns and corpora, and one of directories."""
    counts = count_hits(hits)
    corpora = sorted({corpus for corpus, _ in counts})
    print(f"{'pattern':<22}" + "".join(f"{corpus:>10}" for corpus in corpora) + f"{'all':>8}")
    totals = Counter(hit.pattern.name for hit in hits)
    for name, total in totals.most_common():
        print(f"{name:<22}" + "".join(f"{counts[corpus, name] or '-':>10}" for corpus in corpora) + f"{total:>8}")
    sums = Counter(hit.corpus for hit in hits)
    print(f"{'all':<22}" + "".join(f"{sums[corpus]:>10}" for corpus in corpora) + f"{len(hits):>8}")
    print(f"{'of these warnings':<22}{sum(not hit.is_error for hit in hits):>{10 * len(corpora) + 8}}\n")
    for directory, number in sorted(Counter(hit.path.rpartition("/")[0] or "." for hit in hits).items()):
        print(f"{number:>6}  {directory}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.environment.prose",
        description="Find phrases that are hard to read. Fails if there is one that is not accepted.",
    )
    parser.add_argument("--count", action="store_true", help="print the number of hits per pattern and per directory")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="file or directory; default: the whole repository")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
