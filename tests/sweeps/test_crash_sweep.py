"""The operator is killed at each of its requests; the final state is that of a run without faults."""

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.environment.faults.lab import RESYNC, Lab
from tests.environment.faults.recording import Recording, record
from tests.environment.faults.scenarios import S1, S2, S5, S6, S9, S10
from tests.environment.faults.sweep import cases_of, sweep

# On a machine with other work the sweep takes nearly as long as the default allows.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

SCENARIOS = (S1, S2, S5, S6, S9, S10)
LANES = 4
"""Number for two cores: with more, operators start at the same time and wait for each other."""


async def record_without_faults(lab: Lab) -> list[Recording]:
    """Run every scenario once without faults."""
    async with lab.lane("crash-reference", "--resync-seconds", str(RESYNC)) as lane:
        return await asyncio.gather(*(record(lane, scenario) for scenario in SCENARIOS))


async def test_operator_killed_at_any_call_recovers(lab: Lab, figure: Callable[[str], None]) -> None:
    recordings = await record_without_faults(lab)
    assert [text for recording in recordings for text in recording.violations] == []
    cases, started = cases_of(recordings), time.monotonic()
    outcomes = await sweep(lab, cases, lanes=LANES)
    failed = [outcome for outcome in outcomes if outcome.violations]
    figure(f"crash points {len(cases) - len(failed)}/{len(cases)} ({time.monotonic() - started:.0f} s)")
    assert not failed, "\n".join(map(str, failed))
    assert len(outcomes) == len(cases)
