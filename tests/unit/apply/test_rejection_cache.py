import pytest

from modelservice_operator.apply.rejection_cache import TTL_SECONDS, RejectionCache
from modelservice_operator.controller.controller import TERMINAL_ERROR_INTERVAL
from modelservice_operator.controller.workqueue import BACKOFF
from modelservice_operator.errors import ConflictError, NameConflictError, TerminalError
from tests.support.clock import ManualClock


class Server:
    """Counts requests, and rejects them with `error`."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.requests = 0
        self.clock = ManualClock()
        self.rejections = RejectionCache(clock=self.clock)

    def request(self, target: str = "Service iris") -> None:
        with self.rejections.guard(target):
            self.requests += 1
            if self.error is not None:
                raise self.error


def test_cached_rejection_is_raised_again() -> None:
    server = Server(NameConflictError("The name is taken."))
    for _ in range(3):
        with pytest.raises(NameConflictError, match="taken"):
            server.request()
    assert server.requests == 1


def test_other_key_is_not_affected() -> None:
    server = Server(NameConflictError("The name is taken."))
    for target in ("Service iris", "Deployment iris"):
        with pytest.raises(NameConflictError):
            server.request(target)
    assert server.requests == 2


def test_entry_expires() -> None:
    server = Server(NameConflictError("The name is taken."))
    with pytest.raises(TerminalError):
        server.request()
    server.clock.seconds, server.error = TTL_SECONDS, None
    server.request()
    assert server.requests == 2


def test_transient_error_is_not_cached() -> None:
    server = Server(ConflictError("Changed concurrently."))
    for _ in range(2):
        with pytest.raises(ConflictError):
            server.request()
    assert server.requests == 2


def test_entry_expires_before_the_next_retry() -> None:
    """A retry of a terminal error must send the request."""
    shortest_retry = TERMINAL_ERROR_INTERVAL * (1 - BACKOFF.jitter)
    assert shortest_retry > TTL_SECONDS
