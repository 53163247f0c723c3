"""Delays between retries."""

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_loader.backoff import MAX_ATTEMPTS, Backoff, RetrySchedule, parse_retry_after


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.4), (2, 0.8), (3, 1.6), (4, 3.2), (5, 3.2), (10_000, 3.2)])
def test_delay_doubles_up_to_the_maximum(failures: int, seconds: float) -> None:
    assert Backoff(base=0.4, maximum=3.2, jitter=0.0).delay(failures) == pytest.approx(seconds)


@given(st.integers(min_value=1, max_value=10_000), st.floats(min_value=0.0, max_value=1.0))
def test_jitter_only_shortens_a_delay(failures: int, jitter: float) -> None:
    full = Backoff(base=1.0, maximum=60.0, jitter=0.0).delay(failures)
    delay = Backoff(base=1.0, maximum=60.0, jitter=jitter).delay(failures)
    assert full * (1.0 - jitter) <= delay <= full


@given(st.integers(min_value=0, max_value=10**9 - 1))
def test_retry_after_is_a_number_or_a_date(seconds: int) -> None:
    assert parse_retry_after({"retry-after": f" {seconds} "}) == seconds
    now = 1_700_000_000
    dates = {"retry-after": formatdate(now + seconds, usegmt=True), "date": formatdate(now, usegmt=True)}
    assert parse_retry_after(dates) == seconds
    assert parse_retry_after({"retry-after": dates["date"], "date": dates["retry-after"]}) == 0


def test_retry_after_date_without_a_date_of_the_response() -> None:
    found = parse_retry_after({"retry-after": formatdate(time.time() + 100, usegmt=True)})
    assert found is not None
    assert 95 < found <= 100


@given(st.text() | st.sampled_from(["-1", "1.5", "1e9", "9" * 5000, "\u0663", "Fri, 99 Foo", "Thu, 01 Jan 0001 0:0:0"]))
def test_any_retry_after_is_parsed(text: str) -> None:
    found = parse_retry_after({"retry-after": text, "date": text})
    assert found is None or found >= 0


def test_failures_are_retried_a_few_times() -> None:
    retries = RetrySchedule(time.monotonic() + 1000)
    delays = [retries.next_delay() for _ in range(MAX_ATTEMPTS)]
    assert delays[-1] is None
    assert all(delay is not None and 0.2 <= delay <= 3.2 for delay in delays[:-1])


@given(st.floats(min_value=0, max_value=50))
def test_retry_after_is_a_minimum_with_jitter(seconds: float) -> None:
    retries = RetrySchedule(time.monotonic() + 10_000)
    delays = [retries.next_delay(seconds) for _ in range(MAX_ATTEMPTS * 3)]
    assert all(delay is not None and seconds + 0.2 <= delay <= seconds + 3.2 for delay in delays)
    assert len(set(delays)) > 1


@given(st.floats(min_value=0, max_value=100), st.floats(min_value=0, max_value=100))
def test_retries_end_before_the_time_limits(limit: float, retry_after: float) -> None:
    for retries in (RetrySchedule(time.monotonic() + limit), RetrySchedule(time.monotonic() + 1e6, max_wait=limit)):
        delay = retries.next_delay(retry_after)
        assert delay is None or delay <= limit
        assert (delay is None) or retry_after <= limit
