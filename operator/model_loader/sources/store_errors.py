"""Errors of object stores and their token services: by the HTTP status and the error code, never by other text."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from model_loader.backoff import parse_retry_after
from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.http_client import Response, http_status_error
from model_loader.redaction import redact_url
from model_loader.sources.ranges import changed_file_error
from model_loader.text import decode_json

_MAX_ERROR_BYTES = 64 << 10
_PRECONDITION_FAILED = 412
_REDIRECT_STATUSES = range(300, 400)
_EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"})
_CODES = {
    Reason.INVALID_CREDENTIALS: "InvalidAccessKeyId SignatureDoesNotMatch InvalidToken InvalidSecurity"
    " RequestTimeTooSkewed AuthenticationFailed AuthorizationHeaderMalformed InvalidAuthenticationInfo invalid_grant"
    " invalid_client unauthorized_client InvalidIdentityToken InvalidClientTokenId",
    Reason.ACCESS_DENIED: "AccessDenied AllAccessDisabled AuthorizationFailure AuthorizationPermissionMismatch"
    " AuthorizationProtocolMismatch AuthorizationResourceTypeMismatch AuthorizationServiceMismatch"
    " AuthorizationSourceIPMismatch InsufficientAccountPermissions AccountIsDisabled PublicAccessNotPermitted"
    " NoAuthenticationInformation Forbidden forbidden InvalidObjectState BlobArchived",
    Reason.MODEL_NOT_FOUND: "NoSuchBucket NoSuchKey NoSuchVersion ContainerNotFound BlobNotFound ResourceNotFound"
    " NotFound notFound",
    Reason.STORE_QUOTA_EXCEEDED: "SlowDown TooManyRequests RequestLimitExceeded Throttling ThrottlingException"
    " ServerBusy rateLimitExceeded userRateLimitExceeded",
    Reason.BAD_URI: "InvalidBucketName InvalidResourceName",
}
_REASON_BY_CODE = {code: reason for reason, codes in _CODES.items() for code in codes.split()} | dict.fromkeys(
    _EXPIRED_CODES, Reason.INVALID_CREDENTIALS
)
_XML_CODE = re.compile(rb"<Code>\s*([A-Za-z_]{1,64})\s*</Code>")
_CODE = re.compile("[A-Za-z_]{1,64}")
"""Form of all codes. It is printed, and a server could repeat what it was sent: keys and tokens have digits."""
_XML_REGION = re.compile(rb"<Region>\s*([\w.-]{1,64})\s*</Region>")
_EXPLANATIONS = {
    Reason.MODEL_NOT_FOUND: "does not exist. Check model.uri",
    Reason.ACCESS_DENIED: "cannot be read with these credentials. Grant them permission to read and list it, or use"
    " others in model.credentials",
    Reason.INVALID_CREDENTIALS: "was requested with credentials that the store rejects. Check the Secret of"
    " model.credentials",
    Reason.STORE_QUOTA_EXCEEDED: "cannot be read now: the store is rate limiting requests. The pod retries"
    " automatically",
    Reason.BAD_URI: "has a name that the store does not allow. Check model.uri",
}
_SPECIAL_EXPLANATIONS = {
    **dict.fromkeys(
        _EXPIRED_CODES,
        "was requested with credentials that have expired. Put new ones into the Secret of model.credentials",
    ),
    "RequestTimeTooSkewed": "cannot be read: the clocks of the node and of the store differ. Correct the clock of the"
    " node",
    "InvalidObjectState": "is archived. Restore it in the store first",
    "BlobArchived": "is archived. Move it to another access tier first",
}


class StoreAnswer:
    """The status, the headers and the error code of a response without success."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.code = parse_error_code(body) or _header_code(headers)
        region = _XML_REGION.search(body)
        self.region = region[1].decode("ascii", "ignore") if region else ""

    @classmethod
    def read(cls, response: Response) -> "StoreAnswer":
        """Read the answer of a store. Of its body only the beginning is read."""
        return cls(response.status, response.headers, _read_start(response.iter_chunks()))

    @property
    def is_redirect(self) -> bool:
        """True if the store names another URL, which is never used."""
        return self.status in _REDIRECT_STATUSES

    @property
    def redirect_host(self) -> str:
        """The host of the URL that the store names, or an empty text."""
        try:
            return urlsplit(self.headers.get("location", "")).hostname or ""
        except ValueError:
            return ""

    @property
    def has_expired(self) -> bool:
        """True if the credentials were valid once."""
        return self.code in _EXPIRED_CODES

    def to_error(self, subject: str) -> LoaderError:
        """Return the error for a request of `subject`, an URI."""
        shown = redact_url(subject)
        if self.status == _PRECONDITION_FAILED:
            return changed_file_error(shown)
        if self.is_redirect:
            target = f"to {self.redirect_host[:253]!r}" if self.redirect_host else f"(HTTP {self.status})"
            message = (
                f"{shown} cannot be read: the store redirects {target}, which is refused. Requests are only sent to"
            )
            return LoaderError(Reason.UNREACHABLE, f"{message} the endpoint of the store: check its setting.")
        reason = _REASON_BY_CODE.get(self.code) or http_status_error(self.status, shown).reason
        cause = f"the store responded with HTTP {self.status}" + (f" ({self.code})" if self.code else "")
        if reason is Reason.UNREACHABLE:
            return TransferError(f"{shown} cannot be read: {cause}.")
        advice = _SPECIAL_EXPLANATIONS.get(self.code) or _EXPLANATIONS.get(reason, f"cannot be read ({cause})")
        seconds = parse_retry_after(self.headers) if reason is Reason.STORE_QUOTA_EXCEEDED else None
        ending = "" if seconds is None else f" It accepts requests again in {seconds:.0f} s."
        return LoaderError(reason, f"{shown} {advice}.{ending}")


def unexpected_response_error(subject: str) -> TransferError:
    """Return the error for a response of another form than that of the API."""
    return TransferError(f"{redact_url(subject)} cannot be read: the response is not that of a store.")


def parse_error_code(body: bytes) -> str:
    """Return the code of an error in XML (S3, Azure, STS) or JSON (Google, token services); empty if it has none."""
    if xml := _XML_CODE.search(body):
        return xml[1].decode("ascii", "ignore")
    try:
        error = decode_json(body).get("error")
    except (ValueError, AttributeError, RecursionError):
        return ""
    if isinstance(error, dict):
        errors = error.get("errors")
        first = errors[0] if isinstance(errors, list) and errors else None
        error = first.get("reason") if isinstance(first, dict) else None
    return error if isinstance(error, str) and _CODE.fullmatch(error) else ""


def _header_code(headers: Mapping[str, str]) -> str:
    code = headers.get("x-ms-error-code", "")
    return code if _CODE.fullmatch(code) else ""


def _read_start(chunks: Iterator[bytes]) -> bytes:
    content = b""
    try:
        for chunk in chunks:
            content += chunk
            if len(content) >= _MAX_ERROR_BYTES:
                break
    except TransferError:
        pass  # the status is known
    return content[:_MAX_ERROR_BYTES]
