"""Presigned URLs: a URL whose query is a credential for one object, until it expires.

The key HTTP_URL of the Secret has the whole URL. It must be model.uri with a query: policies decide about model.uri, so
a Secret must not name another file.
"""

import re
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from model_loader.errors import LoaderError, Reason
from model_loader.http_client import parse_origin
from model_loader.request import Request

VARIABLE = "HTTP_URL"
_DENIED_STATUSES = frozenset({400, 401, 403})
"""Statuses for an expired signature: 400 of Google and of a session of AWS, 403 of S3, Azure and CloudFront."""
_EXPIRED_RESPONSE = re.compile(
    rb"<Code>\s*(?:ExpiredToken|ExpiredTokenException|RequestExpired|TokenRefreshRequired)\s*</Code>|<Expires>"
)
"""Codes of S3 and Google. S3 has none for an expired signature, but then the element Expires has its time."""
_MAX_BODY_BYTES = 64 << 10
_PAIRS = (("x-amz-date", "x-amz-expires"), ("x-goog-date", "x-goog-expires"), ("x-oss-date", "x-oss-expires"))
"""Time of the signature, and the seconds for which it is valid (AWS Signature Version 4)."""
_MAX_SECONDS = 1 << 33


def find_url(request: Request) -> str:
    """Return the URL to request: model.uri, or HTTP_URL of the Secret. Raises LoaderError if it names another file."""
    url = request.environment.get(VARIABLE, "").strip()
    if not url:
        return request.uri
    if not _is_same_file(urlsplit(request.uri), _split(url)) or parse_origin(url) != parse_origin(request.uri):
        raise _other_file_error()
    return url


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise _other_file_error() from None


def _is_same_file(uri: SplitResult, url: SplitResult) -> bool:
    """Return True if a URL has the path and the parameters of model.uri, in whatever form they are encoded."""
    parameters = parse_qsl(url.query, keep_blank_values=True)
    has_parameters = all(pair in parameters for pair in parse_qsl(uri.query, keep_blank_values=True))
    return unquote(uri.path) == unquote(url.path) and has_parameters


def _other_file_error() -> LoaderError:
    message = (
        f"{VARIABLE} in the Secret of model.credentials is not model.uri with a query. Set model.uri to the part of"
    )
    return LoaderError(Reason.INVALID_CREDENTIALS, f"{message} {VARIABLE} before the question mark.")


def find_expiry(url: str) -> datetime | None:
    """Return the time at which a URL says that it expires, or None if it has none that can be read."""
    query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
    for signed, seconds in _PAIRS:
        if signed in query and seconds in query:
            return _add_seconds(_parse_time(query[signed], "%Y%m%dT%H%M%SZ"), query[seconds])
    if "se" in query and "sig" in query:  # a shared access signature of Azure
        return _parse_azure_time(query["se"])
    return _add_seconds(datetime.fromtimestamp(0, UTC), query["expires"]) if "expires" in query else None


def _parse_time(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None


def _parse_azure_time(text: str) -> datetime | None:
    forms = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d")
    return next((found for form in forms if (found := _parse_time(text, form)) is not None), None)


def _add_seconds(start: datetime | None, text: str) -> datetime | None:
    if start is None or not re.fullmatch("[0-9]{1,10}", text) or int(text) > _MAX_SECONDS:
        return None
    try:
        return start + timedelta(seconds=int(text))
    except OverflowError:
        return None


def is_expired(url: str, *, status: int, body: bytes = b"") -> bool:
    """Return True if a store denies access because a presigned URL has expired: by its own time, or by a code."""
    if status not in _DENIED_STATUSES:
        return False
    expiry = find_expiry(url)
    is_past = expiry is not None and expiry.timestamp() < time.time()
    return is_past or (expiry is not None and _EXPIRED_RESPONSE.search(body[:_MAX_BODY_BYTES]) is not None)


def expired_error(url: str) -> LoaderError:
    """Return the error for an expired URL."""
    expiry = find_expiry(url)
    when = f" on {expiry:%Y-%m-%d at %H:%M:%S} UTC" if expiry is not None and expiry.timestamp() < time.time() else ""
    message = f"The presigned URL of model.uri expired{when}. Create another one, and put it into the Secret of"
    return LoaderError(Reason.INVALID_CREDENTIALS, f"{message} model.credentials as {VARIABLE}.")
