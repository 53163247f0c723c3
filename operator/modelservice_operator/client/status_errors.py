"""From an HTTP response to an error: the metav1.Status in its body is parsed here, once."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson

from modelservice_operator.apimachinery.text import sanitize
from modelservice_operator.errors import (
    AdmissionUnavailableError,
    ApiStatus,
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
    StatusCause,
    TransientError,
    UnauthorizedError,
)

_ERROR_BY_STATUS: Mapping[int, type[OperatorError]] = {
    HTTPStatus.UNAUTHORIZED: UnauthorizedError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.GONE: ResourceExpiredError,
}
_NAMESPACE_TERMINATING = "NamespaceTerminating"
"""Cause with which the admission plugin NamespaceLifecycle rejects every creation (core/v1)."""
_INTERNAL_ERROR = "InternalError"
"""Reason of a 500 that is not about the load of the API server (apimachinery, api/errors.NewInternalError)."""
_NOT_FOUND = "NotFound"
_ADMISSION_FAILURES = ("failed calling webhook", "resource quota evaluation timed out")
"""Texts about a webhook that failed (apiserver, admission/plugin/webhook), and about the quota plugin."""
_MAX_MESSAGE_CHARS = 4096
"""Characters of a message of the API server, of an admission webhook or of a proxy."""
_MAX_TEXT_BYTES = 200
"""Bytes of a body that is not a metav1.Status, as HTML of a proxy, that are reported."""


def error_from_response(code: int, body: bytes, *, retry_after: str | None = None) -> OperatorError:
    """Return the error for a response with status `code`, 400 or above, whatever its `body` is."""
    return error_from_status(parse_status(code, body), retry_after=retry_after)


def error_from_status(status: ApiStatus, *, retry_after: str | None = None) -> OperatorError:
    """Return the error for a parsed status. `retry_after` is the header of that name."""
    message = f"The API server answered {status.code}: {status.message}"
    error = _ERROR_BY_STATUS.get(status.code, InvalidRequestError)(message, status=status)
    if isinstance(error, ForbiddenError) and error.has_cause(reason=_NAMESPACE_TERMINATING):
        return NamespaceTerminatingError(message, status=status)
    if isinstance(error, NotFoundError) and status.reason == _NOT_FOUND and status.name:
        return ObjectNotFoundError(message, status=status)
    if status.code == HTTPStatus.TOO_MANY_REQUESTS or status.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _server_error(status)(message, status=status, retry_after=_parse_retry_after(retry_after))
    return error


def _server_error(status: ApiStatus) -> type[TransientError]:
    """Return the class of a 429 or 5xx. A failure that few requests would not prevent must not slow down the others."""
    if status.code != HTTPStatus.INTERNAL_SERVER_ERROR or status.reason != _INTERNAL_ERROR:
        return ServerOverloadedError
    is_admission = any(text in status.message for text in _ADMISSION_FAILURES)
    return AdmissionUnavailableError if is_admission else InternalServerError


def parse_status(code: int, body: bytes) -> ApiStatus:
    """Parse a metav1.Status; text that is none becomes the message."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict) or "message" not in parsed:
        return ApiStatus(code, message=_text(body[:_MAX_TEXT_BYTES].decode(errors="replace")).strip())
    return status_from_object(code, parsed)


def status_from_object(code: int, body: Mapping[str, Any]) -> ApiStatus:
    """Read a decoded metav1.Status. Proxies and webhooks send bodies too, so no field is trusted to have its type."""
    details = body.get("details")
    details = details if isinstance(details, dict) else {}
    causes = details.get("causes")
    return ApiStatus(
        code,
        reason=_text(body.get("reason")),
        message=_text(body.get("message")),
        kind=_text(details.get("kind")),
        name=_text(details.get("name")),
        causes=tuple(_cause(cause) for cause in causes if isinstance(cause, dict)) if isinstance(causes, list) else (),
    )


def _cause(cause: Mapping[str, Any]) -> StatusCause:
    return StatusCause(
        reason=_text(cause.get("reason")), message=_text(cause.get("message")), field=_text(cause.get("field"))
    )


def _text(value: object) -> str:
    return sanitize(str(value or ""), _MAX_MESSAGE_CHARS)


def _parse_retry_after(header: str | None) -> float | None:
    """Return the seconds of a Retry-After header; None for its form with a date, which the usual backoff covers."""
    return float(header) if header and header.isdecimal() else None
