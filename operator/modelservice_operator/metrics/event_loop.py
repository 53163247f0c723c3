"""Measures how late the event loop is for a timer, which is how long other callbacks kept it."""

import asyncio
import time

from modelservice_operator.metrics.instruments import EVENT_LOOP_LAG

INTERVAL = 1.0
"""Seconds between two measurements."""


async def measure_lag() -> None:
    """Measure until cancelled. The clock of uvloop stands still while a callback runs, so another one is read."""
    while True:
        due = time.monotonic() + INTERVAL
        await asyncio.sleep(INTERVAL)
        EVENT_LOOP_LAG.observe(max(0.0, time.monotonic() - due))
