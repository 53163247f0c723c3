"""Percentiles of the times of repeated predictions."""

import math
from collections.abc import Sequence


def percentile(seconds: Sequence[float], percent: float) -> float:
    """Return the smallest of `seconds` that at least `percent` of them do not exceed (nearest rank)."""
    ordered = sorted(seconds)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def summary(seconds: Sequence[float], elapsed: float) -> str:
    """Return one line: count, p50, p99, maximum and rate. With less than 100 requests, p99 is the maximum."""
    count = len(seconds)
    times = f"p50 {format_ms(percentile(seconds, 50))}, p99 {format_ms(percentile(seconds, 99))}"
    rate = f"{count / elapsed:.1f}/s" if elapsed > 0 else "-"
    return f"{count} requests: {times}, max {format_ms(max(seconds))}, {rate} one after another"


def format_ms(seconds: float) -> str:
    """Return a time in milliseconds with three digits: `4.31 ms`, `120 ms`."""
    ms = seconds * 1000
    digits = 2 if ms < 10 else 1 if ms < 100 else 0  # noqa: PLR2004 - digits before the point
    return f"{ms:.{digits}f} ms"
