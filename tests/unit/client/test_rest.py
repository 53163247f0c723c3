"""What an HTTP answer means. Requests themselves are tested on a real API server."""

import json

import pytest

from modelservice_operator.client.rest import Connection, Credentials, refusal
from modelservice_operator.errors import (
    Absent,
    Conflict,
    Forbidden,
    Gone,
    NamespaceEnding,
    OperatorError,
    Rejected,
    ServerBusy,
    Transient,
    Unauthorized,
    Unreachable,
)
from modelservice_operator.settings import Settings


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (401, Unauthorized),
        (403, Forbidden),
        (404, Absent),
        (409, Conflict),
        (410, Gone),
        (422, Rejected),
        (429, ServerBusy),
        (500, ServerBusy),
        (504, ServerBusy),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message": 1}', json.dumps({"message": "why"}).encode()])
def test_every_status_has_its_place_in_the_tree(status: int, kind: type[OperatorError], body: bytes) -> None:
    error = refusal(status, body)
    assert type(error) is kind
    assert str(status) in str(error)


def test_a_namespace_that_ends_is_no_failure() -> None:
    cause = {"reason": "NamespaceTerminating", "message": "namespace ml is being terminated"}
    body = {"message": "forbidden", "reason": "Forbidden", "details": {"causes": [cause]}}
    assert type(refusal(403, json.dumps(body, separators=(",", ":")).encode())) is NamespaceEnding


def test_the_server_s_words_are_kept() -> None:
    assert str(refusal(403, b'{"message": "exceeded quota"}')) == "The API server answered 403: exceeded quota"


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), (None, None)])
def test_retry_after_in_seconds_is_honoured(header: str | None, seconds: float | None) -> None:
    error = refusal(429, b"", retry_after=header)
    assert isinstance(error, Transient)
    assert error.retry_after == seconds


async def test_no_server_is_a_sentence() -> None:
    credentials = Credentials("http://127.0.0.1:9", None, "secret-token")
    async with Connection(lambda: credentials, Settings()) as connection:
        with pytest.raises(Unreachable, match="The API server did not answer GET /healthz"):
            await connection.request("GET", "/healthz")
        with pytest.raises(Unreachable, match="The watch of /api/v1/services broke"):
            async with connection.watch("/api/v1/services", {}):
                pass


def test_a_token_shows_nowhere() -> None:
    assert "secret-token" not in repr(Credentials("https://127.0.0.1", None, "secret-token"))
