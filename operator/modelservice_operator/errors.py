"""The errors of the operator. The class says who acts next; only the controller decides about the retry.

OperatorError
├── TransientError             the operator: retried with backoff, or after the time that the server named
│   ├── UnreachableError           no response: connection, timeout, broken body
│   ├── ServerOverloadedError      429 and 5xx
│   ├── ConflictError              409: the object has changed since it was read
│   ├── ResourceExpiredError       410: the requested history is compacted
│   └── UnauthorizedError          401: the token is read again
├── NotFoundError              404: the caller decides what absence means
├── LeadershipLostError        another replica leads: this process exits and starts again as a standby
├── TerminatingError           nothing left to do
│   ├── NamespaceTerminatingError  403 in a namespace that is being deleted
│   └── OwnerTerminatingError      the ModelService is being deleted, or is already deleted
└── TerminalError              a user: reported in status, retried after a change and at a slow rate
    ├── InvalidSpecError           the object does not follow the schema (stored under an older schema)
    ├── KindNotServedError         the cluster does not serve the kind of a child
    ├── DriftDetectedError         another client reverts the operator's corrections
    ├── NameConflictError          another object has the name of a child
    ├── ForbiddenError             403: RBAC, quota, admission
    └── InvalidRequestError        other 4xx: the server rejects the request

Any other exception is a bug: it is logged with its traceback, the object is retried with backoff, others continue.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StatusCause:
    """One cause of a failed request (metav1.StatusCause)."""

    reason: str
    message: str
    field: str


@dataclass(frozen=True, slots=True)
class ApiStatus:
    """Response of a failed request (metav1.Status). All fields but `code` are empty when the body was none."""

    code: int = 0
    reason: str = ""
    message: str = ""
    kind: str = ""
    """Kind of the object that the request was about (metav1.StatusDetails)."""
    causes: tuple[StatusCause, ...] = ()


class OperatorError(Exception):
    """Root of the tree. `str(error)` is a sentence for the user.

    `status` is the response of the API server, None where there was none.
    """

    def __init__(self, message: str, *, status: ApiStatus | None = None) -> None:
        super().__init__(message)
        self.status = status

    def has_cause(self, *, reason: str = "", field: str = "") -> bool:
        """Return True if the API server named a cause with this reason and this field. Empty matches any."""
        causes = self.status.causes if self.status is not None else ()
        return any(reason in {"", cause.reason} and field in {"", cause.field} for cause in causes)


class TransientError(OperatorError):
    """Recovers without manual action.

    `retry_after`: seconds that the server asked to wait (RFC 9110, Retry-After), None for the usual backoff.
    """

    def __init__(self, message: str, *, status: ApiStatus | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after


class UnreachableError(TransientError):
    """The API server sent no response, or not the whole one."""


class ServerOverloadedError(TransientError):
    """The API server responded with 429 or 5xx."""


class ConflictError(TransientError):
    """The API server responded with 409."""


class ResourceExpiredError(TransientError):
    """The API server responded with 410: list again."""


class UnauthorizedError(TransientError):
    """The API server responded with 401: read the credentials again."""


class NotFoundError(OperatorError):
    """The API server responded with 404."""


class LeadershipLostError(OperatorError):
    """Another replica leads, or this one cannot prove that it does."""


class TerminatingError(OperatorError):
    """Nothing is left to do for this object."""


class OwnerTerminatingError(TerminatingError):
    """The ModelService is being deleted, or is already deleted; its children follow it."""


class NamespaceTerminatingError(TerminatingError):
    """Nothing can be created any longer; the object itself is about to be deleted."""


class TerminalError(OperatorError):
    """A user must act; an immediate retry would not help."""


class InvalidSpecError(TerminalError):
    """The ModelService does not follow the schema."""


class KindNotServedError(TerminalError):
    """The cluster does not serve the kind of a child: its CRD is missing, or the right to read it."""


class DriftDetectedError(TerminalError):
    """Another client repeatedly reverts what the operator corrects."""


class NameConflictError(TerminalError):
    """An object with the kind and name of a child exists and is not owned by the ModelService."""


class ForbiddenError(TerminalError):
    """The API server responded with 403: RBAC, quota or an admission policy."""


class InvalidRequestError(TerminalError):
    """The API server responded with another 4xx."""
