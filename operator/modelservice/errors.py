"""Exceptions. The text of each is a sentence of the status or of the API server: what failed, why, what to do."""

import re

from modelservice_cli.cluster.failures import ApiError
from modelservice_cli.errors import CliError, ExitCode

_CONFLICT, _UNAUTHORIZED = 409, 401
_INVALID = frozenset({400, 422})
_ARGUMENTS = (
    (re.compile(r"choose one with --context"), "choose one with Cluster(context=...)"),
    (re.compile(r"name one with --kubeconfig or"), "name one with Cluster(kubeconfig=...) or"),
    (re.compile(r"--as-group needs --as"), "impersonate_groups needs impersonate"),
    (re.compile(r", or choose another namespace with -n"), ""),
    (re.compile(r"raise --timeout"), "raise timeout"),
    (re.compile(r", so run the command again"), ", so try again"),
    (re.compile(r"(run|repeat) the command( again)?"), "try again"),
    (re.compile(r" Without --url, the request goes to a pod."), " Without url, the request goes to a pod."),
)
"""Options of the command line in sentences of its modules, and what is meant in Python."""


class ModelServiceError(Exception):
    """Base of all exceptions of this package."""


class UnreachableError(ModelServiceError):
    """The API server cannot be reached, does not accept the login, or has no ModelServices."""


class ForbiddenError(ModelServiceError):
    """The user may not do this."""


class NotFoundError(ModelServiceError):
    """There is no such ModelService."""


class InvalidError(ModelServiceError):
    """The API server rejected the ModelService. The text has every invalid field."""


class ConflictError(ModelServiceError):
    """Another client has set fields that `apply` would change. `apply(force=True)` takes them over."""


class NotReadyError(ModelServiceError):
    """The ModelService is not ready, and waiting does not help: it is stalled, or has no replica that answers."""

    def __init__(self, text: str, *, reason: str = "", message: str = "") -> None:
        super().__init__(text)
        self.reason = reason
        """Reason of the condition, such as ImagePullFailed (docs/runbook.md)."""
        self.message = message
        """Message of the condition."""


class WaitTimeoutError(NotReadyError, TimeoutError):
    """The ModelService was not ready in time."""


class PredictionError(ModelServiceError):
    """The model answered with an error, or not at all."""

    def __init__(self, text: str, *, status: int | None = None, body: bytes = b"") -> None:
        super().__init__(text)
        self.status = status
        """Status of HTTP; None if there was no answer."""
        self.body = body
        """Body of the answer."""


def is_login_rejected(error: CliError) -> bool:
    """Return True if the API server does not accept the login, which may have expired."""
    return isinstance(error, ApiError) and error.http_code == _UNAUTHORIZED


def is_outage(error: UnreachableError) -> bool:
    """Return True if there was no connection: not for a login that is rejected."""
    return not isinstance(error.__cause__, ApiError)


def converted(error: CliError) -> ModelServiceError:
    """Return the exception for an error of the modules of the command line."""
    text = in_python(str(error))
    if isinstance(error, ApiError) and error.http_code == _CONFLICT:
        return ConflictError(text)
    if isinstance(error, ApiError) and error.http_code in _INVALID:
        return InvalidError(text)
    kinds = {
        ExitCode.UNREACHABLE: UnreachableError,
        ExitCode.FORBIDDEN: ForbiddenError,
        ExitCode.NOT_FOUND: NotFoundError,
    }
    return kinds.get(error.code, ModelServiceError)(text)


def in_python(text: str) -> str:
    """Return a sentence with arguments of Python in place of options of the command line."""
    for pattern, replacement in _ARGUMENTS:
        text = pattern.sub(replacement, text)
    return text
