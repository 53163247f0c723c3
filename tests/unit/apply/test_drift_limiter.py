import pytest

from modelservice_operator.apply.drift_limiter import COOLDOWN_SECONDS, MAX_CORRECTIONS, WINDOW_SECONDS, DriftLimiter


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def corrections(clock: Clock) -> DriftLimiter:
    return DriftLimiter(clock=clock)


def test_three_in_a_minute_are_enough(corrections: DriftLimiter, clock: Clock) -> None:
    for _ in range(MAX_CORRECTIONS):
        assert corrections.allow("port")
        corrections.record("port")
        clock.now += 1
    assert not corrections.allow("port")
    assert corrections.allow("image"), "another field is another matter"


def test_after_the_truce_it_is_tried_again(corrections: DriftLimiter, clock: Clock) -> None:
    for _ in range(MAX_CORRECTIONS):
        corrections.record("port")
    clock.now += COOLDOWN_SECONDS - 1
    assert not corrections.allow("port")
    clock.now += 1
    assert corrections.allow("port")


def test_now_and_then_is_no_fight(corrections: DriftLimiter, clock: Clock) -> None:
    for _ in range(5 * MAX_CORRECTIONS):
        assert corrections.allow("port")
        corrections.record("port")
        clock.now += WINDOW_SECONDS / 2 + 1


def test_attempts_that_failed_do_not_count(corrections: DriftLimiter) -> None:
    assert all(corrections.allow("port") for _ in range(5 * MAX_CORRECTIONS))


def test_what_was_long_ago_is_forgotten(corrections: DriftLimiter, clock: Clock) -> None:
    corrections.record("port")
    clock.now += COOLDOWN_SECONDS
    corrections.record("image")
    assert corrections.allow("port")
