"""The errors of the operator. The class says who acts next; only the controller decides about the retry.

OperatorError
├── TransientError             the operator: retried with backoff, or after the time that the server named
│   ├── UnreachableError           no response: connection, timeout, broken body
│   ├── ServerOverloadedError      429 and 5xx: fewer requests are sent
│   ├── InternalServerError        500 InternalError: this request fails, however few are sent
│   │   └── AdmissionUnavailableError  an admission webhook did not answer, or a write timed out; slower retries
│   ├── ConflictError              409: the object has changed since it was read
│   │   └── PredecessorTerminatingError    an object of the name is still being deleted
│   ├── ResourceExpiredError       410: the requested history is compacted
│   └── UnauthorizedError          401: the token is read again
├── CredentialsError           a user: no credentials, or damaged ones; those in use are kept
├── TracingUnavailableError    a user: --tracing without its packages, or a variable that cannot be used; at the start
├── NotFoundError              404 of the path: the kind is not served, perhaps only at the moment
│   └── ObjectNotFoundError        404 that names the object: the caller decides what absence means
├── PortUnavailableError       a user: this process cannot serve a port, ends and is started again
├── LeadershipLostError        another replica leads: this process exits and starts again as a standby
├── TerminatingError           nothing left to do
│   ├── NamespaceTerminatingError  403 in a namespace that is being deleted
│   └── OwnerTerminatingError      the ModelService is being deleted, or is already deleted
└── TerminalError              a user: reported in status, retried after a change and at a slow rate
    ├── InvalidSpecError           the object does not follow the schema (stored under an older schema)
    ├── KindNotServedError         a kind is not served, or the operator is not allowed to read it
    ├── DriftDetectedError         another client undoes the operator's corrections
    ├── FieldUnsupportedError      the cluster is too old for a field of the spec
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
    name: str = ""
    """Name of the object that the request was about (the same)."""
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


class InternalServerError(TransientError):
    """The API server responded with 500 and the reason InternalError: it says nothing about its load."""


class AdmissionUnavailableError(InternalServerError):
    """The API server could not complete a write, because a webhook of its admission did not answer or failed."""


class ConflictError(TransientError):
    """The API server responded with 409."""


class PredecessorTerminatingError(ConflictError):
    """An object with the name of a child is being deleted, which may take long."""


class ResourceExpiredError(TransientError):
    """The API server responded with 410: list again."""


class UnauthorizedError(TransientError):
    """The API server responded with 401: read the credentials again."""


class NotFoundError(OperatorError):
    """The API server responded with 404, and perhaps not about the object: it may not serve the path at the moment."""


class ObjectNotFoundError(NotFoundError):
    """The API server responded that it serves the kind and that this object does not exist."""


class CredentialsError(OperatorError):
    """The address or the credentials of the cluster are missing, damaged or not supported."""


class PortUnavailableError(OperatorError):
    """A port of this process is in use, or must not be used."""


class CertificateError(OperatorError):
    """The certificate or key of a port of this process is missing, damaged or incomplete."""


class TracingUnavailableError(OperatorError):
    """Traces were requested and cannot be sent: packages are missing, or a variable is not valid."""


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
    """A kind cannot be read: the cluster does not serve it, or the operator is not allowed to list and watch it."""


class DriftDetectedError(TerminalError):
    """Another client repeatedly undoes what the operator corrects."""


class NameConflictError(TerminalError):
    """An object with the kind and name of a child exists and is not owned by the ModelService."""


class FieldUnsupportedError(TerminalError):
    """The API server drops a field, because it is older than the field or the feature is disabled.

    `field` is the field of the ModelService.
    """

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class ForbiddenError(TerminalError):
    """The API server responded with 403: RBAC, quota or an admission policy."""


class InvalidRequestError(TerminalError):
    """The API server responded with another 4xx."""
