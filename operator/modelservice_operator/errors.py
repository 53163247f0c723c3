"""The errors of the operator, drawn as a tree. The class says who acts next; one place (the worker) decides the retry.

OperatorError
├── Transient          nobody: it is tried again, with back-off or after the time that the server named
│   ├── Unreachable        no answer: connection, time-out, broken body
│   ├── ServerBusy         429 and 5xx
│   ├── Conflict           409: what we saw is not what is there any more
│   ├── Gone               410: the history that we asked for is compacted
│   └── Unauthorized       401: the token is read again
├── Absent             404: the caller decides what absence means
├── LeaseLost          another operator leads: this process ends and stands by again
├── Ending             nothing is to be done any more
│   ├── NamespaceEnding    403 in a namespace that is being deleted
│   └── ServiceEnding      the ModelService is being deleted, or gone already
└── Terminal           a person: reported in status, looked at again on change and slowly
    ├── InvalidSpec        the object does not say what it should (written past an older schema)
    ├── KindUnavailable    the cluster does not serve the kind of a child
    ├── DriftDetected      somebody reverts what we correct
    ├── NameConflict       a child's name is taken by somebody else's object
    ├── Forbidden          403: RBAC, quota, admission
    └── Rejected           other 4xx: the server does not accept what we send

Anything else that is raised is a bug: logged with its traceback, the object backs off, the others go on.
"""


class OperatorError(Exception):
    """Root of the tree. `str(error)` is a sentence for a person."""


class TransientError(OperatorError):
    """Heals without anybody's help.

    `retry_after`: seconds that the server asked to wait (RFC 9110, Retry-After), None for the usual back-off.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnreachableError(TransientError):
    """The API server gave no (whole) answer."""


class ServerOverloadedError(TransientError):
    """The API server answered 429 or 5xx."""


class ConflictError(TransientError):
    """The API server answered 409."""


class ResourceExpiredError(TransientError):
    """The API server answered 410: list again."""


class UnauthorizedError(TransientError):
    """The API server answered 401: read the credentials again."""


class NotFoundError(OperatorError):
    """The API server answered 404."""


class LeadershipLostError(OperatorError):
    """Another operator leads, or we cannot show that we do."""


class TerminatingError(OperatorError):
    """Nothing is to be done for this object any more."""


class OwnerTerminatingError(TerminatingError):
    """The ModelService is being deleted, or gone already; its children follow it."""


class NamespaceTerminatingError(TerminatingError):
    """Nothing can be created any more; the object itself is about to go."""


class TerminalError(OperatorError):
    """A person has to act; trying again at once would not help."""


class InvalidSpecError(TerminalError):
    """The ModelService cannot be read as what it should be."""


class KindNotServedError(TerminalError):
    """The cluster does not serve the kind of a child: its CRD is missing, or the right to read it."""


class DriftDetectedError(TerminalError):
    """Somebody reverts what we correct, again and again."""


class NameConflictError(TerminalError):
    """An object of a child's kind and name exists that is not ours."""


class ForbiddenError(TerminalError):
    """The API server answered 403: RBAC, quota or an admission policy."""


class InvalidRequestError(TerminalError):
    """The API server answered another 4xx, `status` holds it."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status
