"""docs/traffic.md: what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.report import markdown_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.environment.traffic.load import Result

DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "traffic.md"
TEMPLATE: Final = Path(__file__).with_name("traffic.md.in")
COLUMNS: Final = ("while", "clients", "requests", "failed", "p50, ms", "p99, ms")


@dataclass(frozen=True)
class Figures:
    """The results of one scenario, by kind of client."""

    title: str
    results: Mapping[str, Result]

    @property
    def failed(self) -> Mapping[str, int]:
        return {kind: result.failed for kind, result in self.results.items()}

    def rows(self) -> list[tuple[str, ...]]:
        """Return rows for COLUMNS."""
        return [
            (self.title, kind, f"{it.requests:,}", f"{it.failed:,}", f"{it.p50:.1f}", f"{it.p99:.1f}")
            for kind, it in self.results.items()
        ]

    def lines(self) -> Iterator[str]:
        """Yield the figures and the first failures, for a terminal."""
        for kind, it in self.results.items():
            counts = f"{it.failed} of {it.requests:,} failed, {it.connections:,} connections"
            yield f"{self.title}, {kind}: {counts}, p50 {it.p50:.1f} ms, p99 {it.p99:.1f} ms"
            yield from (f"    {failure}" for failure in it.failures)


def write_report(tables: Mapping[str, Sequence[Figures]]) -> None:
    """Write the document: each `{name}` of the template is replaced by the table of that name."""
    filled = {
        name: markdown_table([COLUMNS, *(row for it in found for row in it.rows())]) for name, found in tables.items()
    }
    DOCUMENT.write_text(TEMPLATE.read_text().format(**filled))
