"""Signature Version 4 of AWS, for requests without a body.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote

from model_loader.errors import LoaderError, Reason

EMPTY_SHA256 = hashlib.sha256().hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key. `expires` is a time of the wall clock, in seconds since 1970."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)
    expires: float = math.inf


def encode_key(key: str) -> str:
    """Return the path of an object in a URL: everything but the unreserved characters of RFC 3986 is encoded, once.

    Raises LoaderError for a key that is not valid Unicode.
    """
    return _quote(key, safe="/~")


def encode_query(parameters: Iterable[tuple[str, str]]) -> str:
    """Return a query in the order and the encoding of its signature. Raises LoaderError."""
    return "&".join(
        f"{name}={value}" for name, value in sorted((_quote(name), _quote(value)) for name, value in parameters)
    )


def _quote(text: str, *, safe: str = "~") -> str:
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError:
        raise LoaderError(Reason.UNSUPPORTED_KEY, f"The name {text[:200]!r} is not valid Unicode.") from None


def sign_request(
    host: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    *,
    credentials: Credentials,
    region: str,
    method: str = "GET",
    now: float | None = None,
) -> dict[str, str]:
    """Return the headers of a request to S3 without a body, signed: the host and all x-amz-* headers.

    `path` and `query` are encoded, and the names of `headers` in lower case. `now` is a time of the wall clock.
    """
    stamp = _format_time(int(time.time() if now is None else now))
    sent = {**headers, "x-amz-date": stamp, "x-amz-content-sha256": EMPTY_SHA256}
    if credentials.session_token:
        sent["x-amz-security-token"] = credentials.session_token
    signed = [("host", host), *sorted(one for one in sent.items() if one[0].startswith("x-amz-"))]
    canonical_headers = "".join([f"{name}:{' '.join(value.split())}\n" for name, value in signed])
    signed_names = ";".join([name for name, _ in signed])
    canonical = f"{method}\n{path}\n{query}\n{canonical_headers}\n{signed_names}\n{EMPTY_SHA256}"
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(_derive_key(credentials.secret_key, stamp[:8], region), text.encode(), "sha256").hex()
    sent["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope},SignedHeaders={signed_names},Signature={signature}"
    )
    return sent


@lru_cache(maxsize=4)
def _format_time(seconds: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))


@lru_cache(maxsize=4)
def _derive_key(secret: str, day: str, region: str) -> bytes:
    """Return the key of one day, region and service."""
    key = f"AWS4{secret}".encode("utf-8", "surrogateescape")
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
