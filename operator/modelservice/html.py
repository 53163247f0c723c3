"""Tables for notebooks. Every text is escaped: messages quote logs and names of others."""

from collections.abc import Iterable, Sequence
from html import escape


def table(caption: str, heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table of HTML."""
    head = "".join(f"<th>{escape(one)}</th>" for one in heading)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    return f'<td style="text-align: left">{escape("" if value is None else str(value))}</td>'
