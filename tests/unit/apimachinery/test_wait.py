import random

from hypothesis import given
from hypothesis import strategies as st

from modelservice_operator.apimachinery.wait import Backoff

POSITIVE = st.floats(min_value=0.01, max_value=1000)


@given(base=POSITIVE, maximum=POSITIVE, jitter=st.floats(0, 0.5), failures=st.integers(1, 10**6), seed=st.integers())
def test_delay_is_bounded_for_any_number_of_failures(
    base: float, maximum: float, jitter: float, failures: int, seed: int
) -> None:
    delay = Backoff(base, maximum, jitter).delay(failures, rng=random.Random(seed))
    expected = min(base * 2 ** min(failures - 1, 16), maximum)
    assert expected * (1 - jitter) <= delay <= expected * (1 + jitter)


def test_delay_doubles_without_jitter() -> None:
    assert [Backoff(1, 10).delay(failures) for failures in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_spread_is_limited_to_the_maximum() -> None:
    assert Backoff(1, 10).spread(99) == 10
