"""Errors of responses and of unreachable servers. Requests themselves are tested on a real API server."""

import json

import pytest

from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.rest import RestClient
from modelservice_operator.client.status_errors import error_from_response
from modelservice_operator.errors import (
    AdmissionUnavailableError,
    ConflictError,
    ForbiddenError,
    InternalServerError,
    InvalidRequestError,
    NamespaceTerminatingError,
    NotFoundError,
    ObjectNotFoundError,
    OperatorError,
    ResourceExpiredError,
    ServerOverloadedError,
    TransientError,
    UnauthorizedError,
    UnreachableError,
)
from modelservice_operator.settings import Settings


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (410, ResourceExpiredError),
        (422, InvalidRequestError),
        (429, ServerOverloadedError),
        (500, ServerOverloadedError),
        (504, ServerOverloadedError),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message": 1}', json.dumps({"message": "why"}).encode()])
def test_http_status_maps_to_error_class(status: int, kind: type[OperatorError], body: bytes) -> None:
    error = error_from_response(status, body)
    assert type(error) is kind
    assert str(status) in str(error)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ('failed calling webhook "a.b": failed to call webhook: context deadline exceeded', AdmissionUnavailableError),
        ("resource quota evaluation timed out", AdmissionUnavailableError),
        ("no such index", InternalServerError),
    ],
)
def test_internal_error_is_not_an_overload(message: str, kind: type[OperatorError]) -> None:
    body = {"reason": "InternalError", "message": f"Internal error occurred: {message}"}
    assert type(error_from_response(500, json.dumps(body).encode())) is kind


def test_not_found_object_is_named() -> None:
    details = {"group": "modelservice.dev", "kind": "modelservices", "name": "iris"}
    body = {"reason": "NotFound", "message": '"iris" not found', "details": details}
    assert type(error_from_response(404, json.dumps(body).encode())) is ObjectNotFoundError


@pytest.mark.parametrize(
    "body",
    [
        b"404 page not found\n",
        b'{"reason": "NotFound", "message": "the server could not find the requested resource", "details": {}}',
        b'{"reason": "", "message": "no route", "details": {"name": "iris"}}',
    ],
)
def test_not_found_path_is_no_absence_of_the_object(body: bytes) -> None:
    assert type(error_from_response(404, body)) is NotFoundError


def test_terminating_namespace_has_its_own_error() -> None:
    cause = {"reason": "NamespaceTerminating", "message": "namespace ml is being terminated"}
    body = {"message": "forbidden", "reason": "Forbidden", "details": {"causes": [cause]}}
    assert type(error_from_response(403, json.dumps(body, separators=(",", ":")).encode())) is NamespaceTerminatingError


def test_message_of_the_server_is_kept() -> None:
    assert (
        str(error_from_response(403, b'{"message": "exceeded quota"}')) == "The API server answered 403: exceeded quota"
    )


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), (None, None)])
def test_retry_after_in_seconds_is_used(header: str | None, seconds: float | None) -> None:
    error = error_from_response(429, b"", retry_after=header)
    assert isinstance(error, TransientError)
    assert error.retry_after == seconds


async def test_unreachable_server_error_message() -> None:
    credentials = Credentials("http://127.0.0.1:9", None, "secret-token")
    async with RestClient(lambda: credentials, Settings()) as connection:
        with pytest.raises(UnreachableError, match="The API server did not answer GET /healthz"):
            await connection.request("GET", "/healthz")
        with pytest.raises(UnreachableError, match="The watch of /api/v1/services broke"):
            async with connection.watch("/api/v1/services", {}, seconds=60):
                pass


def test_token_is_not_in_the_repr() -> None:
    assert "secret-token" not in repr(Credentials("https://127.0.0.1", None, "secret-token"))
