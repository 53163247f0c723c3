"""Interface of the object stores, and what their modules have in common."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol
from urllib.parse import urlsplit

from model_loader.errors import LoaderError, Reason
from model_loader.http_client import HttpClient, Response, host_header
from model_loader.redaction import redact_url
from model_loader.sources.store_errors import StoreAnswer, unexpected_response_error
from model_loader.text import is_size

OK = 200
PARTIAL = 206
RANGE_NOT_SATISFIABLE = 416
MODIFIED_PREFIX = "modified "
"""Prefix of the version of an object whose store has no ETags."""
_MAX_ATTEMPTS = 3
"""One with the right region, and one with renewed credentials."""
_MAX_SIGNATURE_AGE = 300.0
"""Seconds after which a signature may have expired while a busy store was waited for: 15 minutes on S3 and Azure."""
_AUTHORIZATION_STATUSES = frozenset({400, 401, 403})
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An object, as a store describes it."""

    key: str
    size: int
    version: str
    is_directory: bool = False
    """True for the object that represents a directory, in an account that has directories."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """Checksums of the content, by their algorithm, in Base64."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing."""

    found: list[Found]
    continuation: str
    """Empty after the last page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOptions:
    """Options of a request for an object."""

    byte_range: tuple[int, int | None] | None = None
    """First offset and the one after the last, or None for the end."""
    version: str = ""
    """`Found.version` that is expected, empty for any."""
    revision: str | None = None
    """Version of the object in a store that retains several."""
    file: str | None = None
    """Name of the file for whose content this is."""
    is_probe: bool = False
    """True for a request that only finds out about an object: status 416 is a success, the object is empty."""

    headers_only: bool = False
    """True for a HEAD request: a response without the content."""

    @property
    def method(self) -> str:
        """Method of HTTP."""
        return "HEAD" if self.headers_only else "GET"

    def build_headers(self) -> dict[str, str]:
        """Return the headers of HTTP for range and version."""
        headers = {}
        if self.byte_range is not None:
            start, stop = self.byte_range
            headers["range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        if self.version.startswith('"'):  # a weak ETag never matches (RFC 9110, 13.1.1)
            headers["if-match"] = self.version
        return headers


class Store(Protocol):
    """A bucket or container."""

    always_supports_ranges: bool
    """True if ranges need not be tried."""

    def list_page(self, prefix: str, token: str) -> Page:
        """Return a part of the objects below a prefix. `token` is that of the page before. Raises LoaderError."""

    def stat_object(self, key: str, revision: str | None) -> Found:
        """Return an object. Raises LoaderError (ModelNotFound) if there is none."""

    def get_object(self, key: str, options: ObjectOptions) -> AbstractContextManager[Response]:
        """Send a request for an object, and yield a response with status 200 or 206. Raises LoaderError."""

    def fetch_checksums(self, key: str, options: ObjectOptions) -> Mapping[str, str]:
        """Request the checksums of an object that is read in parts, if neither listing nor parts come with them.

        It is empty if there are none, or if they cannot be read.
        """

    def describe_object(self, key: str, size: int, headers: Mapping[str, str]) -> Found:
        """Return an object by the headers of a response with its content. Its version is empty if there is none."""


@contextmanager
def send_request(
    http: HttpClient,
    build: Callable[[], tuple[str, dict[str, str]]],
    should_repeat: Callable[[StoreAnswer], bool],
    options: ObjectOptions,
    subject: str,
) -> Iterator[Response]:
    """Send a request, and yield a successful response. Redirects are refused. Raises LoaderError.

    `build` returns URL and headers, signed for each attempt. `should_repeat` prepares another attempt after an answer
    without success, or returns False.
    """
    for attempt in range(1, _MAX_ATTEMPTS + 1):
        url, headers = build()
        started = time.monotonic()
        with _open_response(http, url, headers, options) as response:
            if response.status in {OK, PARTIAL} or (options.is_probe and response.status == RANGE_NOT_SATISFIABLE):
                yield response
                return
            answer = StoreAnswer.read(response)
        is_late = answer.status in _AUTHORIZATION_STATUSES and time.monotonic() - started > _MAX_SIGNATURE_AGE
        if attempt == _MAX_ATTEMPTS or not (should_repeat(answer) or is_late):
            break
    raise answer.to_error(subject)


def _open_response(
    http: HttpClient, url: str, headers: Mapping[str, str], options: ObjectOptions
) -> AbstractContextManager[Response]:
    if options.headers_only:
        return http.head(url, headers)
    return http.get(url, headers, file=options.file, follow_redirects=False)


def find_object(store: Store, key: str, revision: str | None) -> Found:
    """Return an object by a request for its first byte. Raises LoaderError.

    The response to a GET request names the cause of an error in its body; that to a HEAD request has none.
    """
    probe = ObjectOptions(byte_range=(0, 1), revision=revision, is_probe=True)
    with store.get_object(key, probe) as response:
        if response.status != RANGE_NOT_SATISFIABLE:
            return _build_found(store, key, response)
    with store.get_object(key, ObjectOptions(revision=revision)) as response:
        return _build_found(store, key, response)


def _build_found(store: Store, key: str, response: Response) -> Found:
    headers = response.headers
    try:
        length = parse_size(headers["content-length"])
        # Azurite answers with the range 0--1 of an empty object.
        size = parse_content_range(headers)[2] if response.status == PARTIAL and length else length
    except (KeyError, ValueError):
        raise unexpected_response_error(response.url) from None
    return store.describe_object(key, size, headers)


@lru_cache(maxsize=256)
def build_version(etag: str, modified: str) -> str:
    """Return the ETag of an object, or else the second of its modification; empty without both.

    Some stores leave out the quotes of an ETag in listings. Dates have the form of HTTP in headers, that of RFC 3339
    in listings. Equal ones become equal texts.
    """
    if etag:
        return etag if etag.endswith('"') else f'"{etag}"'
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        moment = datetime.fromisoformat(modified.strip())
    except ValueError:
        try:
            moment = parsedate_to_datetime(modified)
        except (ValueError, TypeError, IndexError, OverflowError):
            return ""
    try:
        return f"{MODIFIED_PREFIX}{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError):
        return ""


def parse_content_range(headers: Mapping[str, str]) -> tuple[int, int, int]:
    """Return the first offset, the one after the last, and the size of the whole object. Raises ValueError."""
    found = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    if found is None:
        raise ValueError("Content-Range")
    first, last, size = (int(text) for text in found.groups())
    return first, last + 1, size


def parse_endpoint(text: str, subject: str = "The store endpoint") -> tuple[str, str, str]:
    """Return scheme, host with port, and path without a slash at its end. Raises LoaderError for another URL."""
    shown = redact_url(text)
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        parts, is_url = urlsplit(""), False
    if not is_url or re.search(r"[\s\\]", text):
        raise LoaderError(Reason.BAD_URI, f"{subject} {shown!r} is not an http(s) URL.")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise LoaderError(Reason.BAD_URI, f"{subject} {shown!r} has a user name, a query or a fragment: remove it.")
    return parts.scheme, host_header(text), parts.path.rstrip("/")


def parse_size(text: str) -> int:
    """Return a number of bytes. Raises ValueError."""
    if not re.fullmatch(r"\s*[0-9]{1,19}\s*", text) or not is_size(size := int(text)):
        raise ValueError("not a size")
    return size
