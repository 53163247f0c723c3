"""A clock that only a test advances."""

from datetime import UTC, datetime, timedelta

from modelservice_operator.apimachinery.clock import Clock


class ManualClock(Clock):
    """Both clocks advance when a test adds to `seconds`."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) + timedelta(seconds=self.seconds)
