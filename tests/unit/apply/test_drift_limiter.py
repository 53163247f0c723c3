import pytest

from modelservice_operator.apply.drift_limiter import (
    EXISTENCE_POLICY,
    FAST,
    LONGEST_PAUSE_SECONDS,
    MEMORY_SECONDS,
    SLOW,
    DriftLimiter,
)
from tests.support.clock import ManualClock

DAY = 86400
REACTION = 0.2


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def limiter(clock: ManualClock) -> DriftLimiter:
    return DriftLimiter(clock=clock)


def corrections_in(limiter: DriftLimiter, clock: ManualClock, *, period: float, seconds: float) -> list[float]:
    """Return the times of the corrections if another client undoes each of them after `period` seconds."""
    times = []
    while clock.seconds < seconds:
        if limiter.allow("port"):
            limiter.record("port")
            times.append(clock.seconds)
        clock.seconds += period
    return times


def test_drift_limiter_blocks_after_max_corrections(limiter: DriftLimiter, clock: ManualClock) -> None:
    for _ in range(FAST.corrections):
        assert limiter.allow("port")
        limiter.record("port")
        clock.seconds += 1
    assert not limiter.allow("port")
    assert limiter.allow("image"), "another field has its own count"


def test_drift_limiter_allows_one_after_each_pause(limiter: DriftLimiter, clock: ManualClock) -> None:
    times = corrections_in(limiter, clock, period=1, seconds=3 * LONGEST_PAUSE_SECONDS)
    assert times == [0, 1, 2, 2 + LONGEST_PAUSE_SECONDS, 2 + 2 * LONGEST_PAUSE_SECONDS]


@pytest.mark.parametrize("period", [REACTION, 1, 20, 29, 31, 40, 62, 90, 120, 149])
def test_drift_limiter_recognizes_clients_of_every_period(
    limiter: DriftLimiter, clock: ManualClock, period: float
) -> None:
    """A correction at 0 s is undone at `period` s, corrected immediately, and so on."""
    times = corrections_in(limiter, clock, period=period, seconds=DAY)
    begun = [time for time in times if time <= SLOW.seconds]
    assert len(begun) <= SLOW.corrections
    assert len(times) - len(begun) <= DAY / LONGEST_PAUSE_SECONDS


def test_drift_limiter_corrects_a_rare_change_each_time(limiter: DriftLimiter, clock: ManualClock) -> None:
    period = SLOW.seconds / (SLOW.corrections - 1) + 1
    assert len(corrections_in(limiter, clock, period=period, seconds=20 * period)) == 20


def test_deleted_child_returns_with_growing_pauses(clock: ManualClock) -> None:
    limiter = DriftLimiter(EXISTENCE_POLICY, clock=clock)
    times = corrections_in(limiter, clock, period=1, seconds=2000)
    assert times == [0, 1, 2, 32, 92, 212, 452, 932, 1532]


def test_failed_attempts_do_not_count(limiter: DriftLimiter) -> None:
    assert all(limiter.allow("port") for _ in range(5 * FAST.corrections))


def test_old_corrections_are_forgotten(limiter: DriftLimiter, clock: ManualClock) -> None:
    for _ in range(FAST.corrections):
        limiter.record("port", "kubectl")
    assert limiter.last_manager("port") == "kubectl"
    assert "port" in limiter
    clock.seconds += MEMORY_SECONDS
    limiter.record("image")
    assert "port" not in limiter
    assert limiter.last_manager("port") is None
    limiter.record("port")
    assert limiter.allow("port")


def test_last_manager_is_the_latest_known_one(limiter: DriftLimiter) -> None:
    for manager in ("kubectl", "argocd", None):
        limiter.record("port", manager)
    assert limiter.last_manager("port") == "argocd"
