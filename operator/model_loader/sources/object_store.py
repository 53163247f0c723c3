"""S3, Google Cloud Storage and Azure: every object of a bucket or below a prefix, or a single object.

The loader signs and sends all requests itself, over HttpClient (rules I1 to I3). A redirect is never followed: the only
one that has an effect is that to another region of S3, for which the request is signed again.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TypeVar
from urllib.parse import quote, urlsplit

from model_loader.backoff import RetrySchedule
from model_loader.download import PART_BYTES
from model_loader.errors import LoaderError, Reason
from model_loader.http_client import HttpClient
from model_loader.http_messages import ConnectionDroppedError
from model_loader.manifest import Entry, Listing
from model_loader.paths import list_parents
from model_loader.redaction import redact_url
from model_loader.request import Request, bad_uri_error, decode_uri_part
from model_loader.sources.ranges import Readable, Slice, changed_file_error, read_chunks
from model_loader.sources.store import OK, Found, ObjectOptions, Store, parse_content_range
from model_loader.sources.store_errors import unexpected_response_error

_Result = TypeVar("_Result")
_MAX_EMPTY_PAGES = 1000
"""Maximum number of consecutive pages without an object. Stores may send some while they search."""
_FOLDER_SUFFIX = "_$folder$"
"""Ending of the markers that Hadoop creates for directories."""


class ObjectStoreSource:
    """A bucket or container, or a part of it."""

    def __init__(self, request: Request, uri: str | None = None) -> None:
        self._uri = uri or request.uri
        self._request = request
        self._bucket, self._prefix = parse_bucket_and_prefix(self._uri, is_encoded=uri is None)
        self._revision = request.revision if uri is None else None
        self._http = HttpClient(request)
        self.supports_parallel_reads = True
        try:
            self._store = self._open_store()
        except BaseException:
            self._http.close()
            raise

    def _open_store(self) -> Store:
        match self._uri.partition(":")[0]:
            case "s3":
                from model_loader.sources.s3 import S3Store

                return S3Store(self._request, self._http, self._uri, self._bucket)
            case "gs":
                from model_loader.sources.gcs import GcsStore

                return GcsStore(self._request, self._http, self._uri, self._bucket)
            case _:
                from model_loader.sources.azure import AzureStore

                return AzureStore(self._request, self._http, self._uri, self._bucket)

    def list_files(self) -> Listing:
        """List the object of that name, or every object below the prefix."""
        entries = self._list_single_object() or self._list_prefix()
        large = next((entry for entry in entries if (entry.size or 0) > PART_BYTES), None)
        if large is not None and not self._store.always_supports_ranges:
            self.supports_parallel_reads = self._supports_ranges(large)
        return Listing(entries=entries, resolved_uri=redact_url(self._uri))

    def _supports_ranges(self, entry: Entry) -> bool:
        """Return True if the store supports ranges; some S3-compatible stores do not."""
        options = ObjectOptions(byte_range=(0, 1), revision=self._revision)
        with self._store.get_object(entry.key, options) as response:
            return response.status != OK

    def _list_single_object(self) -> tuple[Entry, ...]:
        if not self._prefix or self._prefix.endswith("/"):
            return ()
        try:
            found = self._repeat_if_cut(lambda: self._store.stat_object(self._prefix, self._revision))
        except LoaderError as error:
            if self._revision:
                raise
            if error.reason is Reason.MODEL_NOT_FOUND:
                return ()
            # Without the permission to list a bucket, or to read this object, the other request may be allowed.
            if error.reason in {Reason.ACCESS_DENIED, Reason.INVALID_CREDENTIALS} and (below := self._list_prefix()):
                return below
            raise
        # An empty object may represent a directory: Azure has one for each, if the account has directories.
        below = () if found.size or self._revision else self._list_prefix()
        if below or found.is_directory:
            return below
        return (_build_entry(found, self._prefix.rpartition("/")[2]),)

    def _list_prefix(self) -> tuple[Entry, ...]:
        if self._revision:
            raise bad_uri_error(
                self._uri, "model.revision is the version of an object, but this is a prefix: remove it"
            )
        prefix = f"{self._prefix.rstrip('/')}/" if self._prefix else ""
        most = self._request.limits.max_files * 2 + 1000
        entries: list[Entry] = []
        for page in self._list_pages(prefix):
            entries += [_build_entry(one, path) for one in page if (path := _file_path(one, prefix)) is not None]
            if len(entries) > most:
                message = f"The store lists more than {self._request.limits.max_files} files at {self._uri}."
                raise LoaderError(Reason.TOO_LARGE, message)
        return tuple(remove_directory_markers(entries))

    def _list_pages(self, prefix: str) -> Iterator[list[Found]]:
        """Yield the pages of a listing. Raises LoaderError for one that has no end."""
        token, empty_pages = "", 0
        while True:
            page = self._repeat_if_cut(partial(self._store.list_page, prefix, token))
            if any(not one.key.startswith(prefix) for one in page.found):
                raise unexpected_response_error(self._uri)
            yield page.found
            if not page.continuation:
                return
            empty_pages = 0 if page.found else empty_pages + 1
            if page.continuation == token or empty_pages > _MAX_EMPTY_PAGES:
                message = (
                    f"{redact_url(self._uri)} cannot be listed: the store repeats a page of its listing without end."
                )
                raise LoaderError(Reason.UNREACHABLE, message)
            token = page.continuation

    def _repeat_if_cut(self, call: Callable[[], _Result]) -> _Result:
        """Return the result of a request for metadata, which is repeated if its connection was cut."""
        retries = RetrySchedule(self._request.deadline)
        while True:
            try:
                return call()
            except ConnectionDroppedError:
                if (delay := retries.next_delay()) is None:
                    raise
            time.sleep(delay)

    @contextmanager
    def open(self, entry: Entry, start: int, stop: int | None) -> Iterator["ObjectReader"]:
        """Open an object from `start` up to `stop`, or to its end. Raises LoaderError if it is not the listed version.

        The response has been checked: its status, its version and its range.
        """
        is_whole = not start and (stop is None or stop == entry.size)
        byte_range = None if is_whole or not self.supports_parallel_reads else (start, stop)
        options = ObjectOptions(byte_range=byte_range, version=entry.version, revision=self._revision, file=entry.key)
        has_none_yet = not start and not is_whole and not entry.checksums
        checksums = self._store.fetch_checksums(entry.key, options) if has_none_yet else {}
        with self._store.get_object(entry.key, options) as response:
            found = self._store.describe_object(entry.key, entry.size or 0, response.headers)
            if found.version and entry.version and found.version != entry.version:
                raise changed_file_error(self._describe(entry))
            if response.status != OK:
                _check_range(response.headers, start, stop, entry, self._describe(entry))
            is_entire = is_whole or response.status != OK
            yield ObjectReader(response if is_entire else Slice(response, start, stop), found.checksums or checksums)

    def _describe(self, entry: Entry) -> str:
        return f"{self._uri.partition(':')[0]}://{self._bucket}/{quote(entry.key, errors='replace')}"

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[bytes]:
        """Yield the bytes of an object. Raises LoaderError if it is not the listed version."""
        with self.open(entry, start, stop) as reader:
            yield from read_chunks(reader)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class ObjectReader:
    """Bytes of an object, whose transfer has begun."""

    def __init__(self, readable: Readable, checksums: Mapping[str, str]) -> None:
        self._readable = readable
        self.checksums = checksums
        """Checksums of the entire object that the store has sent with it, in Base64."""

    def readinto(self, view: memoryview, /) -> int:
        """Read at most `len(view)` bytes; 0 at the end. Raises TransferError if the transfer is cut."""
        return self._readable.readinto(view)


def _check_range(headers: Mapping[str, str], start: int, stop: int | None, entry: Entry, subject: str) -> None:
    """Raise LoaderError for another part than the requested one, or of a file of another size."""
    try:
        first, end, size = parse_content_range(headers)
    except ValueError:
        raise unexpected_response_error(subject) from None
    if entry.size is not None and size != entry.size:
        raise changed_file_error(subject)
    if (first, end) != (start, size if stop is None else stop):
        raise unexpected_response_error(subject)


def remove_directory_markers(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries without empty ones that represent directories, as consoles and file systems create them.

    These have others below them, or a name that ends in `_$folder$` (Hadoop).
    """
    found = list(entries)
    directories = list_parents(entry.path for entry in found)
    return [
        entry
        for entry in found
        if entry.size or (entry.path not in directories and not entry.path.endswith(_FOLDER_SUFFIX))
    ]


def _file_path(found: Found, prefix: str) -> str | None:
    """Return the path of an object below the prefix, or None if it represents a directory."""
    if found.is_directory or (not found.size and (found.key.endswith("/") or found.key == prefix)):
        return None
    return found.key.removeprefix(prefix)


def _build_entry(found: Found, path: str) -> Entry:
    return Entry(path=path, key=found.key, size=found.size, version=found.version, checksums=found.checksums)


def parse_bucket_and_prefix(uri: str, *, is_encoded: bool = True) -> tuple[str, str]:
    """Return the bucket and the path; model.uri is percent-encoded, the URI of a tracking server is not.

    The path is empty for a whole bucket. Raises LoaderError for a URI that is not valid.
    """
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise bad_uri_error(uri, f"its host is not valid: {error}") from None
    if parts.query or parts.fragment:
        raise bad_uri_error(uri, "a query or fragment is not supported: remove it")
    # abfs://container@account.dfs.core.windows.net/path has the container as the user.
    bucket = parts.netloc.partition("@")[0]
    prefix = parts.path.removeprefix("/")
    if is_encoded:
        prefix = decode_uri_part(prefix, uri)
    if parts.scheme == "https":
        # https://account.blob.core.windows.net/container/path
        bucket, _, prefix = prefix.partition("/")
    if not bucket or {".", ".."} & set(prefix.split("/")) or "//" in f"/{prefix}":
        raise bad_uri_error(uri, f"write it as {parts.scheme}://BUCKET/PATH, without empty and relative parts")
    return bucket, prefix
