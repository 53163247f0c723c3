"""https: a single file. The loader's own client checks each address, as redirects can lead anywhere (I1 to I3)."""

import ssl
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

import httpx2

from model_loader.errors import LoaderError, Reason
from model_loader.http_client import HttpClient, http_error
from model_loader.manifest import Chunk, Entry, Listing
from model_loader.redaction import redact_url
from model_loader.request import Request, bad_uri_error
from model_loader.sources.ranges import changed_file_error, slice_chunks

_PARTIAL = 206
_OK = 200


class HttpFileReader:
    """Reads a file by URL from any offset, and detects that it was modified."""

    def __init__(self, http: HttpClient, headers: Mapping[str, str], *, is_digest_known: bool = False) -> None:
        """Read with a client. `is_digest_known`: the entire file is compared with a digest that no entry has."""
        self._http = http
        self._headers = dict(headers)
        self._is_digest_known = is_digest_known

    def read(self, url: str, entry: Entry, start: int, stop: int | None) -> Iterator[bytes]:
        """Yield the bytes from `start` to `stop`, taken from the entire file if the server does not support ranges."""
        headers = dict(self._headers)
        to_end = stop is None or stop == entry.size
        if start or not to_end:
            headers["Range"] = f"bytes={start}-{'' if to_end or stop is None else stop - 1}"
            if entry.version.startswith('"'):
                headers["If-Range"] = entry.version  # RFC 9110, 13.1.5: if modified, send the entire file
        with self._http.get(url, headers, file=entry.key) as response:
            if response.status_code not in {_OK, _PARTIAL}:
                raise http_error(response, redact_url(url))
            check_unchanged(entry, get_version(response.headers), redact_url(url))
            if entry.size is None and entry.sha256 is None and not self._is_digest_known:
                _require_marked_end(response, redact_url(url))
            chunks = response.iter_raw()
            if response.status_code == _PARTIAL:
                _check_range(response.headers.get("content-range", ""), start, url)
                yield from chunks
            else:
                yield from slice_chunks(chunks, start, None if to_end else stop)


class HttpsSource:
    """The file at an https URL."""

    supports_parallel_reads = False

    def __init__(self, request: Request) -> None:
        if request.revision is not None:
            raise bad_uri_error(request.uri, "model.revision does not apply to a URL: remove it")
        self._url = request.uri
        self._extract = request.extract
        self._http = HttpClient(request)
        token = request.environment.get("HTTP_BEARER_TOKEN", "").strip()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._file = HttpFileReader(self._http, self._headers, is_digest_known=request.sha256 is not None)

    def list_files(self) -> Listing:
        """List the file. Its name is the last segment of the path."""
        with self._http.get(self._url, self._headers) as response:
            if response.status_code != _OK:
                raise http_error(response, redact_url(self._url))
            headers = response.headers
        name = unquote(urlsplit(self._url).path).rpartition("/")[2] or "model"
        length = headers.get("content-length", "")
        size = int(length) if length.isdecimal() and "content-encoding" not in headers else None
        entry = Entry(
            path=name,
            key=redact_url(self._url),
            size=size,
            version=get_version(headers),
            has_weak_version=_is_weak(headers),
        )
        return Listing(entries=(entry,), resolved_uri=redact_url(self._url))

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Yield the bytes of the file."""
        return self._file.read(self._url, entry, start, stop)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def get_version(headers: Mapping[str, str]) -> str:
    """Return the ETag of a file, or the date of its modification (RFC 9110, 8.8), or an empty text."""
    return headers.get("etag") or headers.get("last-modified") or ""


def _is_weak(headers: Mapping[str, str]) -> bool:
    """Return True if the version may be that of different bytes (RFC 9110, 8.8.1)."""
    return headers.get("etag", "").startswith("W/")


def check_unchanged(entry: Entry, version: str, subject: str) -> None:
    """Raise LoaderError if a file has another version than the listed one, or no longer has one.

    Parts of two versions are never joined.
    """
    if entry.version and version != entry.version:
        raise changed_file_error(subject)


def _require_marked_end(response: httpx2.Response, subject: str) -> None:
    """Make sure that a body which is cut off cannot be mistaken for an entire one.

    Without a length and without chunks, a body ends with its connection (RFC 9112, 6.3). Only TLS marks that end, with
    a close_notify (RFC 8446, 6.1), which Python does not require by default.
    """
    if "content-length" in response.headers or "transfer-encoding" in response.headers:
        return
    connection = response.extensions["network_stream"].get_extra_info("socket")
    if not isinstance(connection, ssl.SSLSocket):
        message = (
            f"{subject} was sent without its length, so a cut response cannot be distinguished from a complete one."
        )
        raise LoaderError(Reason.UNREACHABLE, f"{message} Set model.sha256, or have the server send Content-Length.")
    connection.suppress_ragged_eofs = False  # type: ignore[attr-defined] # an argument of wrap_socket


def _check_range(text: str, start: int, url: str) -> None:
    if not text.startswith(f"bytes {start}-"):
        raise LoaderError(Reason.UNREACHABLE, f"{redact_url(url)} responded with a range other than the requested one.")
