"""https: a single file. The loader's own client checks each address, as redirects can lead anywhere (I1 to I3)."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from model_loader.download import Readable
from model_loader.errors import LoaderError, Reason
from model_loader.http_client import HttpClient, Response, http_error
from model_loader.manifest import Chunk, Entry, Listing
from model_loader.redaction import redact_url
from model_loader.request import Request, bad_uri_error
from model_loader.sources.presigned import expired_error, find_expiry, find_url, is_expired
from model_loader.sources.ranges import Slice, changed_file_error, read_chunks

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
"""RFC 9110, 14.4."""
_PARTIAL = 206
_OK = 200
_FORBIDDEN = 403
_DENIED_REASONS = frozenset({Reason.ACCESS_DENIED, Reason.INVALID_CREDENTIALS})


class HttpFileReader:
    """Opens a file by URL at any offset, and detects that it was modified."""

    def __init__(self, http: HttpClient, headers: Mapping[str, str], *, is_digest_known: bool = False) -> None:
        """Read with a client. `is_digest_known`: the entire file is compared with a digest that no entry has."""
        self._http = http
        self._headers = dict(headers)
        self._is_digest_known = is_digest_known

    @contextmanager
    def open(self, url: str, entry: Entry, start: int, stop: int | None) -> Iterator[Readable]:
        """Yield the bytes from `start` to `stop`, taken from the entire file if the server does not support ranges.

        Status, version and range have been checked. Raises LoaderError.
        """
        headers = dict(self._headers)
        to_end = stop is None or stop == entry.size
        if start or not to_end:
            headers["Range"] = f"bytes={start}-{'' if to_end or stop is None else stop - 1}"
            if entry.version.startswith('"'):
                headers["If-Range"] = entry.version  # RFC 9110, 13.1.5: if modified, send the entire file
        subject = redact_url(url)
        with self._http.get(url, headers, file=entry.key) as response:
            if response.status not in {_OK, _PARTIAL}:
                raise http_error(response, subject)
            check_unchanged(entry, get_version(response.headers), subject)
            if entry.size is None and entry.sha256 is None and not self._is_digest_known:
                response.require_marked_end(subject)
            if response.status == _PARTIAL:
                check_range(response.headers.get("content-range", ""), entry, start, stop, subject)
                yield response
            elif start or not to_end:
                yield Slice(response, start, stop)
            else:
                yield response

    def read(self, url: str, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Yield the bytes from `start` to `stop` in chunks."""
        with self.open(url, entry, start, stop) as opened:
            yield from read_chunks(opened)


class HttpsSource:
    """The file at an https URL."""

    def __init__(self, request: Request) -> None:
        if request.revision is not None:
            raise bad_uri_error(request.uri, "model.revision does not apply to a URL: remove it")
        self._uri = redact_url(request.uri)
        self._url = find_url(request)
        self.supports_parallel_reads = False
        self._extract = request.extract
        self._http = HttpClient(request)
        token = request.environment.get("HTTP_BEARER_TOKEN", "").strip()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._file = HttpFileReader(self._http, self._headers, is_digest_known=request.sha256 is not None)

    def list_files(self) -> Listing:
        """List the file. Its name is the last segment of the path."""
        with self._http.get(self._url, self._headers) as response:
            if response.status != _OK:
                raise self._error(response)
            headers = response.headers
        name = unquote(urlsplit(self._url).path).rpartition("/")[2] or "model"
        length = headers.get("content-length", "")
        size = int(length) if length.isdecimal() and "content-encoding" not in headers else None
        self.supports_parallel_reads = _supports_ranges(headers)
        entry = Entry(
            path=name,
            key=self._uri,
            size=size,
            version=get_version(headers),
            has_weak_version=_is_weak(headers),
        )
        return Listing(entries=(entry,), resolved_uri=self._uri)

    def _error(self, response: Response) -> LoaderError:
        """Return the error for a response without success; a presigned URL may have expired."""
        body = response.read() if find_expiry(self._url) is not None else b""
        if is_expired(self._url, status=response.status, body=body):
            return expired_error(self._url)
        return http_error(response, self._uri)

    @contextmanager
    def open(self, entry: Entry, start: int, stop: int | None) -> Iterator[Readable]:
        """Open the file at `start`."""
        try:
            with self._file.open(self._url, entry, start, stop) as opened:
                yield opened
        except LoaderError as error:
            # A download may last longer than the URL is valid.
            if error.reason in _DENIED_REASONS and is_expired(self._url, status=_FORBIDDEN):
                raise expired_error(self._url) from None
            raise

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Yield the bytes of the file."""
        with self.open(entry, start, stop) as opened:
            yield from read_chunks(opened)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def get_version(headers: Mapping[str, str]) -> str:
    """Return the ETag of a file, or the date of its modification (RFC 9110, 8.8), or an empty text."""
    return headers.get("etag") or headers.get("last-modified") or ""


def _supports_ranges(headers: Mapping[str, str]) -> bool:
    """Return True if a server sends parts of a file that belong together: it names their version (RFC 9110, 14.3)."""
    return headers.get("accept-ranges", "").strip().lower() == "bytes" and headers.get("etag", "").startswith('"')


def _is_weak(headers: Mapping[str, str]) -> bool:
    """Return True if the version may be that of different bytes (RFC 9110, 8.8.1)."""
    return headers.get("etag", "").startswith("W/")


def check_unchanged(entry: Entry, version: str, subject: str) -> None:
    """Raise LoaderError if a file has another version than the listed one, or no longer has one.

    Parts of two versions are never joined.
    """
    if entry.version and version != entry.version:
        raise changed_file_error(subject)


def check_range(text: str, entry: Entry, start: int, stop: int | None, subject: str) -> None:
    """Raise LoaderError if a Content-Range is not the requested part, or that of a file of another size."""
    found = _CONTENT_RANGE.fullmatch(text)
    if found is None or int(found[1]) != start or (stop is not None and int(found[2]) >= stop):
        raise LoaderError(Reason.UNREACHABLE, f"{subject} responded with a range other than the requested one.")
    if entry.size is not None and found[3] not in {"*", str(entry.size)}:
        raise changed_file_error(subject)
