"""The number of concurrent transfers: it grows while the throughput grows."""

MIN_WORKERS = 4
MAX_WORKERS = 24
"""Fewer than the connections of the HTTP client, and few enough for their buffers."""
_MIN_GROWTH = 1.1
"""Ratio of the throughput after and before more workers were added, from which it is a growth."""
_HOLD_INTERVALS = 25
"""Intervals after which more workers are tried again: the network may have changed."""


class ConcurrencyTuner:
    """Decides how many workers transfer files, from the throughput of equal intervals."""

    def __init__(self) -> None:
        self.target = MIN_WORKERS
        self._previous_target = MIN_WORKERS
        self._rate_before: float | None = None
        """Throughput before the last growth; None if it was compared already."""
        self._hold = 1

    def update(self, rate: float) -> int:
        """Return the number of workers for the next interval, given the throughput of the last one in any unit."""
        if rate <= 0:
            return self.target  # connections are being made
        if self._rate_before is not None and rate < self._rate_before * _MIN_GROWTH:
            self.target, self._rate_before, self._hold = self._previous_target, None, _HOLD_INTERVALS
        elif self._rate_before is None and self._hold > 0:
            self._hold -= 1
        elif self.target < MAX_WORKERS:
            self._previous_target, self._rate_before = self.target, rate
            self.target = min(self.target * 2, MAX_WORKERS)
        else:
            self._rate_before, self._hold = None, _HOLD_INTERVALS
        return self.target
