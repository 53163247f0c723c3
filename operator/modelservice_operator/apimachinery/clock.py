"""The clocks of the operator, passed as one value so that tests can replace them (k8s.io/utils, clock.Clock)."""

import time
from datetime import UTC, datetime


class Clock:
    """The clocks of the machine."""

    def monotonic(self) -> float:
        """Return seconds that only differ meaningfully: for durations and deadlines."""
        return time.monotonic()

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        return datetime.now(UTC)


SYSTEM_CLOCK = Clock()
