"""Delays between retries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_loader.backoff import Backoff


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.4), (2, 0.8), (3, 1.6), (4, 3.2), (5, 3.2), (10_000, 3.2)])
def test_delay_doubles_up_to_the_maximum(failures: int, seconds: float) -> None:
    assert Backoff(base=0.4, maximum=3.2, jitter=0.0).delay(failures) == pytest.approx(seconds)


@given(st.integers(min_value=1, max_value=10_000), st.floats(min_value=0.0, max_value=1.0))
def test_jitter_only_shortens_a_delay(failures: int, jitter: float) -> None:
    full = Backoff(base=1.0, maximum=60.0, jitter=0.0).delay(failures)
    delay = Backoff(base=1.0, maximum=60.0, jitter=jitter).delay(failures)
    assert full * (1.0 - jitter) <= delay <= full
