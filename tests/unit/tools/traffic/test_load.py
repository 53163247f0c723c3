from typing import Any

from tests.environment.traffic import Figures, Result

FOUND: dict[str, Any] = {
    "requests": 10_000,
    "failed": 1,
    "p50": 1.25,
    "p99": 20.0,
    "connections": 9,
    "closedIdle": 2,
    "failures": [{"second": 1.234, "reused": True, "error": "read: connection reset by peer"}],
}


def test_result_describes_failures() -> None:
    found = Result.of(FOUND)
    assert (found.requests, found.failed, found.closed_idle) == (10_000, 1, 2)
    assert found.failures == ("after 1.23 s on a kept connection: read: connection reset by peer",)


def test_result_without_failures_has_none() -> None:
    assert Result.of(FOUND | {"failed": 0, "failures": None}).failures == ()


def test_figures_give_a_row_for_each_kind_of_client() -> None:
    found = Figures("restart", {"keep-alive": Result.of(FOUND), "new connections": Result.of(FOUND | {"failed": 0})})
    assert found.failed == {"keep-alive": 1, "new connections": 0}
    assert found.rows()[0] == ("restart", "keep-alive", "10,000", "1", "1.2", "20.0")
    assert len(list(found.lines())) == 4
