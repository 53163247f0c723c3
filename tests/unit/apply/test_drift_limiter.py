import pytest

from modelservice_operator.apply.drift_limiter import MOST, TRUCE, WINDOW, Corrections


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
def corrections(clock: Clock) -> Corrections:
    return Corrections(clock=clock)


def test_three_in_a_minute_are_enough(corrections: Corrections, clock: Clock) -> None:
    for _ in range(MOST):
        assert corrections.allows("port")
        corrections.count("port")
        clock.now += 1
    assert not corrections.allows("port")
    assert corrections.allows("image"), "another field is another matter"


def test_after_the_truce_it_is_tried_again(corrections: Corrections, clock: Clock) -> None:
    for _ in range(MOST):
        corrections.count("port")
    clock.now += TRUCE - 1
    assert not corrections.allows("port")
    clock.now += 1
    assert corrections.allows("port")


def test_now_and_then_is_no_fight(corrections: Corrections, clock: Clock) -> None:
    for _ in range(5 * MOST):
        assert corrections.allows("port")
        corrections.count("port")
        clock.now += WINDOW / 2 + 1


def test_attempts_that_failed_do_not_count(corrections: Corrections) -> None:
    assert all(corrections.allows("port") for _ in range(5 * MOST))


def test_what_was_long_ago_is_forgotten(corrections: Corrections, clock: Clock) -> None:
    corrections.count("port")
    clock.now += TRUCE
    corrections.count("image")
    assert corrections.allows("port")
