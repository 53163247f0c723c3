"""docs/images.md: which images run as they are."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.report import markdown_table

from tests.images.habits import Advice, Habit

DOCUMENT = Path(__file__).parents[2] / "docs" / "images.md"
TEMPLATE = Path(__file__).with_name("images.md.in")
COLUMNS = ("image", "for example", "runs by default", "status advises")


def write_report(found: Iterable[tuple[Habit, Sequence[Advice]]]) -> None:
    """Write the document from the images and the advice that each needed."""
    table = markdown_table([COLUMNS, *(_row(habit, advised) for habit, advised in found)])
    DOCUMENT.write_text(TEMPLATE.read_text().format(table=table))


def _row(habit: Habit, advised: Sequence[Advice]) -> tuple[str, ...]:
    lines = "; then ".join(advice.line for advice in advised)
    return (habit.title, habit.example, "no" if advised else "yes", lines or "-")
