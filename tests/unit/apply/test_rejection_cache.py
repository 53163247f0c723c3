import pytest

from modelservice_operator.apply.rejection_cache import TTL_SECONDS, RejectionCache
from modelservice_operator.errors import ConflictError, NameConflictError, TerminalError


class Server:
    """Counts what it is asked, and refuses."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.asked = 0
        self.now = 0.0
        self.refusals = RejectionCache(clock=lambda: self.now)

    def ask(self, what: str = "Service iris") -> None:
        with self.refusals.guard(what):
            self.asked += 1
            if self.error is not None:
                raise self.error


def test_what_was_refused_is_not_asked_again_at_once() -> None:
    server = Server(NameConflictError("The name is taken."))
    for _ in range(3):
        with pytest.raises(NameConflictError, match="taken"):
            server.ask()
    assert server.asked == 1


def test_something_else_is_another_matter() -> None:
    server = Server(NameConflictError("The name is taken."))
    for what in ("Service iris", "Deployment iris"):
        with pytest.raises(NameConflictError):
            server.ask(what)
    assert server.asked == 2


def test_after_a_while_it_is_asked_again() -> None:
    server = Server(NameConflictError("The name is taken."))
    with pytest.raises(TerminalError):
        server.ask()
    server.now, server.error = TTL_SECONDS, None
    server.ask()
    assert server.asked == 2


def test_what_heals_by_itself_is_asked_again_at_once() -> None:
    server = Server(ConflictError("Changed meanwhile."))
    for _ in range(2):
        with pytest.raises(ConflictError):
            server.ask()
    assert server.asked == 2
