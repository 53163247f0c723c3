"""The number of concurrent transfers, for stores of different speeds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_loader.concurrency import MAX_WORKERS, MIN_WORKERS, ConcurrencyTuner


def run(tuner: ConcurrencyTuner, capacity: float, intervals: int = 300) -> list[int]:
    """Targets over time, for a store that serves each worker alike, up to a capacity."""
    return [tuner.update(min(tuner.target, capacity)) for _ in range(intervals)]


def test_concurrency_grows_while_the_throughput_grows() -> None:
    assert run(ConcurrencyTuner(), 1000)[5] == MAX_WORKERS


@pytest.mark.parametrize("capacity", [0.0, 1.0, MIN_WORKERS])
def test_concurrency_stays_small_if_more_brings_nothing(capacity: float) -> None:
    targets = run(ConcurrencyTuner(), capacity)
    assert targets[-1] == MIN_WORKERS
    assert sum(target > MIN_WORKERS for target in targets) < len(targets) / 10


def test_concurrency_grows_later_when_the_store_is_faster() -> None:
    tuner = ConcurrencyTuner()
    run(tuner, MIN_WORKERS)
    assert max(run(tuner, 1000)) == MAX_WORKERS


@given(st.lists(st.floats(0, 1e12), max_size=100))
def test_concurrency_is_bounded(rates: list[float]) -> None:
    tuner = ConcurrencyTuner()
    assert all(MIN_WORKERS <= tuner.update(rate) <= MAX_WORKERS for rate in rates)
