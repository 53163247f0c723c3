"""The clock of the API server, as its responses show it (RFC 9110, 6.6.1)."""

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple


class ClockReading(NamedTuple):
    """The clock of the server, between two readings of the own one."""

    before: datetime
    server: datetime
    """In whole seconds: the clock was up to a second later."""
    after: datetime


def parse_date(header: str) -> datetime | None:
    """Return the time of a Date header; None if it has none that can be read."""
    try:
        found = parsedate_to_datetime(header)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
