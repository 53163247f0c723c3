import pytest

from modelservice_operator.apply.drift_limiter import COOLDOWN_SECONDS, MAX_CORRECTIONS, WINDOW_SECONDS, DriftLimiter
from tests.support.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def limiter(clock: ManualClock) -> DriftLimiter:
    return DriftLimiter(clock=clock)


def test_drift_limiter_blocks_after_max_corrections(limiter: DriftLimiter, clock: ManualClock) -> None:
    for _ in range(MAX_CORRECTIONS):
        assert limiter.allow("port")
        limiter.record("port")
        clock.seconds += 1
    assert not limiter.allow("port")
    assert limiter.allow("image"), "another field has its own count"


def test_drift_limiter_allows_after_cooldown(limiter: DriftLimiter, clock: ManualClock) -> None:
    for _ in range(MAX_CORRECTIONS):
        limiter.record("port")
    clock.seconds += COOLDOWN_SECONDS - 1
    assert not limiter.allow("port")
    clock.seconds += 1
    assert limiter.allow("port")


def test_drift_limiter_ignores_slow_drift(limiter: DriftLimiter, clock: ManualClock) -> None:
    for _ in range(5 * MAX_CORRECTIONS):
        assert limiter.allow("port")
        limiter.record("port")
        clock.seconds += WINDOW_SECONDS / 2 + 1


def test_failed_attempts_do_not_count(limiter: DriftLimiter) -> None:
    assert all(limiter.allow("port") for _ in range(5 * MAX_CORRECTIONS))


def test_old_corrections_are_forgotten(limiter: DriftLimiter, clock: ManualClock) -> None:
    limiter.record("port", "kubectl")
    assert limiter.last_manager("port") == "kubectl"
    clock.seconds += COOLDOWN_SECONDS
    limiter.record("image")
    assert limiter.allow("port")
    assert limiter.last_manager("port") is None


def test_last_manager_is_the_latest_known_one(limiter: DriftLimiter) -> None:
    for manager in ("kubectl", "argocd", None):
        limiter.record("port", manager)
    assert limiter.last_manager("port") == "argocd"
