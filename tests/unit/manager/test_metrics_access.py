"""The time for which answers of the API server count, and the bounds of reviews.

A real one answers in tests/integration/test_secure_metrics.py.
"""

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest

from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import (
    ForbiddenError,
    OperatorError,
    ServerOverloadedError,
    UnauthorizedError,
    UnreachableError,
)
from modelservice_operator.manager import metrics_access
from modelservice_operator.manager.metrics_access import (
    ALLOWED,
    ALLOWED_SECONDS,
    DENIED_SECONDS,
    INVALID_TOKEN,
    MAX_DECISIONS,
    MAX_REVIEWS,
    NO_TOKEN,
    NOT_ALLOWED_TO_REVIEW,
    STALE_SECONDS,
    TOO_MANY,
    UNDECIDED,
    MetricsAccess,
)
from tests.support.clock import ManualClock

USER = {"username": "system:serviceaccount:monitoring:prometheus", "uid": "1", "groups": ["system:authenticated"]}
HEADER = "Bearer a-token"


class Server(RestClient):
    """Answers reviews: `user` of any token, and whether it is allowed. Records what it was sent."""

    def __init__(self) -> None:
        self.user: dict[str, Any] | None = USER
        self.is_allowed = True
        self.error: OperatorError | None = None
        self.gate: asyncio.Event | None = None
        """No answer comes before it is set."""
        self.specs: list[dict[str, Any]] = []

    async def review(self, path: str, body: Any) -> dict[str, Any]:
        assert path.rpartition("/")[2] == f"{body['kind'].lower()}s"
        self.specs.append(body["spec"])
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        if body["kind"] == "TokenReview":
            return {"status": {"authenticated": self.user is not None, "user": self.user}}
        return {"status": {"allowed": self.is_allowed}}


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1000)


@pytest.fixture
def access(server: Server, clock: ManualClock) -> MetricsAccess:
    return MetricsAccess(server, clock=clock)


@pytest.mark.parametrize("header", ["", "a-token", "Basic dTpw", "Bearer", "Bearer  ", "Token x"])
async def test_request_without_bearer_token_is_not_reviewed(access: MetricsAccess, server: Server, header: str) -> None:
    assert await access.decide(header) == NO_TOKEN
    assert server.specs == []


@pytest.mark.parametrize("header", [HEADER, "bearer a-token", " BEARER  a-token "])
async def test_user_of_the_token_is_the_one_reviewed(access: MetricsAccess, server: Server, header: str) -> None:
    server.user = USER | {"extra": {"pod": ["a"]}}
    assert await access.decide(header) is ALLOWED
    attributes = {"path": "/metrics", "verb": "get"}
    token, user = server.specs
    assert token == {"token": "a-token"}
    expected = {"user": USER["username"], "uid": "1", "groups": USER["groups"], "extra": {"pod": ["a"]}}
    assert user == expected | {"nonResourceAttributes": attributes}


async def test_denied_user_is_named_with_the_role(access: MetricsAccess, server: Server) -> None:
    server.is_allowed = False
    status, message = await access.decide(HEADER)
    assert status is HTTPStatus.FORBIDDEN
    assert message == (
        "system:serviceaccount:monitoring:prometheus is not allowed to get /metrics: bind the ClusterRole"
        " modelservice-metrics-reader to it."
    )


@pytest.mark.parametrize("status", [{}, {"authenticated": "true"}, {"error": "expired"}], ids=str)
async def test_only_a_clear_yes_authenticates(
    access: MetricsAccess, server: Server, monkeypatch: pytest.MonkeyPatch, status: Any
) -> None:
    async def review(_path: str, _body: Any) -> dict[str, Any]:
        return {"status": status}

    monkeypatch.setattr(server, "review", review)
    assert await access.decide(HEADER) == INVALID_TOKEN


def allow(server: Server) -> None:
    server.user, server.is_allowed = USER, True


def deny(server: Server) -> None:
    server.is_allowed = False


def reject(server: Server) -> None:
    server.user = None


@pytest.mark.parametrize(
    ("answer", "seconds"), [(allow, ALLOWED_SECONDS), (deny, DENIED_SECONDS), (reject, DENIED_SECONDS)]
)
async def test_answer_counts_for_its_time(
    access: MetricsAccess, server: Server, clock: ManualClock, answer: Callable[[Server], None], seconds: float
) -> None:
    answer(server)
    first = await access.decide(HEADER)
    sent = len(server.specs)
    clock.seconds += seconds - 1
    assert await access.decide(HEADER) == first
    assert len(server.specs) == sent
    clock.seconds += 2
    assert await access.decide(HEADER) == first
    assert len(server.specs) == 2 * sent


async def test_right_that_was_taken_away_ends(access: MetricsAccess, server: Server, clock: ManualClock) -> None:
    assert await access.decide(HEADER) is ALLOWED
    deny(server)
    clock.seconds += ALLOWED_SECONDS + 1
    assert (await access.decide(HEADER)).status is HTTPStatus.FORBIDDEN
    server.error = UnreachableError("away")
    clock.seconds += DENIED_SECONDS + 1
    assert await access.decide(HEADER) == UNDECIDED


async def test_another_token_is_another_client(access: MetricsAccess, server: Server) -> None:
    assert await access.decide(HEADER) is ALLOWED
    reject(server)
    assert await access.decide("Bearer another") == INVALID_TOKEN
    assert await access.decide(HEADER) is ALLOWED


@pytest.mark.parametrize("error", [UnreachableError("away"), ServerOverloadedError("429"), UnauthorizedError("401")])
async def test_known_client_is_served_while_the_server_is_away(
    access: MetricsAccess, server: Server, clock: ManualClock, error: OperatorError
) -> None:
    assert await access.decide(HEADER) is ALLOWED
    server.error = error
    clock.seconds += ALLOWED_SECONDS + STALE_SECONDS - 1
    assert await access.decide(HEADER) is ALLOWED
    assert await access.decide("Bearer new") == UNDECIDED
    clock.seconds += 2
    assert await access.decide(HEADER) == UNDECIDED
    server.error = None
    assert await access.decide(HEADER) is ALLOWED


async def test_failure_is_logged_once_and_kept_from_clients(
    access: MetricsAccess, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.error = UnreachableError("Cannot connect to host 10.0.0.1:443")
    with caplog.at_level(logging.DEBUG):
        decisions = [await access.decide(HEADER) for _ in range(3)]
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.DEBUG, logging.DEBUG]
    assert "Cannot review who may read /metrics: Cannot connect to host 10.0.0.1:443" in caplog.text
    assert {decision.message for decision in decisions} == {UNDECIDED.message}


async def test_operator_without_the_right_names_the_role(access: MetricsAccess, server: Server) -> None:
    server.error = ForbiddenError('cannot create resource "tokenreviews"')
    assert await access.decide(HEADER) == NOT_ALLOWED_TO_REVIEW
    server.error = None
    assert await access.decide(HEADER) is ALLOWED


async def test_silent_server_is_not_waited_for(
    access: MetricsAccess, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_access, "REVIEW_SECONDS", 0.01)
    server.gate = asyncio.Event()
    assert await access.decide(HEADER) == UNDECIDED


async def test_concurrent_requests_share_one_review(access: MetricsAccess, server: Server) -> None:
    server.gate = asyncio.Event()
    requests = [asyncio.create_task(access.decide(HEADER)) for _ in range(5)]
    await asyncio.sleep(0)
    requests[0].cancel()  # a client that leaves ends nothing for the others
    await asyncio.sleep(0)
    server.gate.set()
    assert await asyncio.gather(*requests[1:]) == [ALLOWED] * 4
    assert len(server.specs) == len(("TokenReview", "SubjectAccessReview"))


async def test_further_tokens_are_turned_away_immediately(access: MetricsAccess, server: Server) -> None:
    assert await access.decide(HEADER) is ALLOWED
    server.gate = asyncio.Event()
    waiting = [asyncio.create_task(access.decide(f"Bearer {number}")) for number in range(MAX_REVIEWS)]
    await asyncio.sleep(0)
    assert await access.decide("Bearer one-more") == TOO_MANY
    assert await access.decide(HEADER) is ALLOWED
    server.gate.set()
    assert await asyncio.gather(*waiting) == [ALLOWED] * MAX_REVIEWS
    assert await access.decide("Bearer one-more") is ALLOWED


async def test_memory_does_not_grow_with_tokens(access: MetricsAccess, server: Server) -> None:
    for number in range(3 * MAX_DECISIONS):
        server.user = USER if number % 2 else None
        await access.decide(f"Bearer {number}")
    kept = (access._allowed, access._denied, access._stale, access._reviews)  # noqa: SLF001 - their sizes are the property
    assert {len(one) for one in kept} == {0, MAX_DECISIONS}


async def test_tokens_are_not_kept(access: MetricsAccess) -> None:
    await access.decide("Bearer very-secret")
    assert all("very-secret" not in repr(vars(access)[name]) for name in vars(access) if name != "_client")
