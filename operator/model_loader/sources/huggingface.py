"""Hugging Face, by the REST API of the Hub: https://huggingface.co/docs/hub/api.

The commit is resolved before the first byte, so that all files are of the same commit. Files are downloaded from
`/resolve/`, which serves those of Git LFS and of Xet as well, by redirects to other hosts. The token is not sent there.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from model_loader.errors import LoaderError, Reason
from model_loader.http_client import HttpClient, Response, check_headers, http_error
from model_loader.manifest import Chunk, Entry, Json, Listing
from model_loader.request import Request, bad_uri_error, decode_uri_part
from model_loader.sources.https import HttpFileReader
from model_loader.sources.ranges import Readable, read_chunks
from model_loader.text import UnexpectedFormError, as_list, as_object, decode_json, size_field, text_field

_OK, _UNAUTHORIZED, _NOT_FOUND = 200, 401, 404
_DEFAULT_ENDPOINT = "https://huggingface.co"
_NAME_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_REPOSITORY_NAME = re.compile(rf"{_NAME_PART}(?:/{_NAME_PART})?")
"""Name of a repository. Those of the first years have no organisation, such as gpt2."""
_COMMIT = re.compile("[0-9a-f]{7,64}")
_SHA1 = re.compile("[0-9a-f]{40}")
_SHA256 = re.compile("[0-9a-f]{64}")
_DISABLED_MESSAGE = "Access to this resource is disabled."
_INVALID_TOKEN_MESSAGE = "Invalid credentials in Authorization header"  # noqa: S105 - a message of the Hub
"""Values of X-Error-Message. The Hub sends no X-Error-Code for these two."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at one commit, as the Hub lists it."""

    name: str
    """Current name; empty if the response has none."""
    commit: str
    entries: tuple[Entry, ...]
    is_gated: bool = False
    """True if its files can only be read by accounts that have accepted conditions."""


class HuggingFaceSource:
    """A repository at one commit."""

    supports_parallel_reads = True

    def __init__(self, request: Request) -> None:
        self._name, revision = parse_uri(request.uri)
        if revision and request.revision and revision != request.revision:
            raise bad_uri_error(
                request.uri, f"model.revision {request.revision!r} is another revision: remove one of the two"
            )
        self._revision = revision or request.revision or "main"
        self._endpoint = (request.environment.get("HF_ENDPOINT") or _DEFAULT_ENDPOINT).strip().rstrip("/")
        self._token = (
            request.environment.get("HF_TOKEN") or request.environment.get("HUGGING_FACE_HUB_TOKEN") or ""
        ).strip()
        self._headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        check_headers(self._headers)
        self._http = HttpClient(request)
        self._http.check_url(self._endpoint)
        self._file = HttpFileReader(self._http, self._headers)
        self._repository = Repository(self._name, "", ())

    @property
    def _subject(self) -> str:
        return f"hf://{self._name}@{self._revision}"

    def list_files(self) -> Listing:
        """List the files of the commit that the revision currently resolves to."""
        path = f"api/models/{self._name}/revision/{quote(self._revision, safe='')}"
        with self._http.get(f"{self._endpoint}/{path}?blobs=true", self._headers) as response:
            body = response.read()
        if response.status != _OK:
            raise self._error(response)
        self._repository = found = parse_repository(body, self._subject)
        return Listing(
            entries=found.entries,
            resolved_uri=f"hf://{found.name or self._name}@{found.commit}",
            commit=found.commit,
        )

    @contextmanager
    def open(self, entry: Entry, start: int, stop: int | None) -> Iterator[Readable]:
        """Open a file at the commit."""
        name, commit = self._repository.name or self._name, self._repository.commit
        # Without a version: the listing has the name of a blob, which may differ from the ETag. A commit is immutable.
        fixed = Entry(path=entry.path, key=entry.key, size=entry.size, sha256=entry.sha256)
        url = f"{self._endpoint}/{name}/resolve/{commit}/{quote(entry.key)}"
        try:
            with self._file.open(url, fixed, start, stop) as opened:
                yield opened
        except LoaderError as error:
            # The Hub lists a gated repository for any client.
            if self._repository.is_gated and error.reason in {Reason.ACCESS_DENIED, Reason.INVALID_CREDENTIALS}:
                raise self._gated_error() from None
            raise

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Yield the bytes of a file at the commit."""
        with self.open(entry, start, stop) as opened:
            yield from read_chunks(opened)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _error(self, response: Response) -> LoaderError:
        """Return the error for a response without success, by the code that the Hub sends in a header."""
        code = response.headers.get("x-error-code", "")
        message = response.headers.get("x-error-message", "")
        if code == "GatedRepo":
            return self._gated_error()
        if code == "RevisionNotFound":
            text = f"The revision {self._revision!r} of hf://{self._name} does not exist. Check model.revision."
            return LoaderError(Reason.MODEL_NOT_FOUND, text)
        if message == _DISABLED_MESSAGE:
            text = f"{self._subject} was disabled by Hugging Face. Read its page on the Hub, or use another repository."
            return LoaderError(Reason.ACCESS_DENIED, text)
        if message == _INVALID_TOKEN_MESSAGE:
            text = "The Hub does not know HF_TOKEN (HTTP 401): it may have expired. Check the Secret of"
            return LoaderError(Reason.INVALID_CREDENTIALS, f"{text} model.credentials.")
        # Without a login the Hub responds with 401 for a repository that does not exist.
        if code == "RepoNotFound" or response.status in {_UNAUTHORIZED, _NOT_FOUND}:
            return self._not_found_error()
        return http_error(response, self._subject)

    def _gated_error(self) -> LoaderError:
        """Return the error for a repository whose conditions must be accepted first."""
        message = f"{self._subject} is gated. On the Hub, accept its conditions with the account of HF_TOKEN"
        if not self._token:
            message += ", then put HF_TOKEN into the Secret of model.credentials"
        return LoaderError(Reason.ACCESS_DENIED, f"{message}.")

    def _not_found_error(self) -> LoaderError:
        """Return the error for a repository that does not exist or is private: the Hub does not distinguish them."""
        if self._token:
            message = f"{self._subject} does not exist, or HF_TOKEN has no access to it. Check model.uri and the token."
        else:
            message = f"{self._subject} does not exist or is private."
            message += " If it is private, put HF_TOKEN into the Secret of model.credentials."
        return LoaderError(Reason.MODEL_NOT_FOUND, message)


def parse_uri(uri: str) -> tuple[str, str]:
    """Return name and revision of a repository; the revision may be empty. Raises LoaderError."""
    name, _, revision = uri.removeprefix("hf:").lstrip("/").partition("@")
    if not _REPOSITORY_NAME.fullmatch(name) or re.search(r"--|\.\.|\.git$", name):
        raise bad_uri_error(uri, "write it as hf://ORGANISATION/REPOSITORY, with @REVISION unless it is main")
    return name, decode_uri_part(revision, uri)


def parse_repository(body: bytes, subject: str) -> Repository:
    """Return the repository of a response of the Hub. Raises LoaderError if the response has another form."""
    try:
        answer = as_object(decode_json(body))
        commit, name = text_field(answer, "sha"), answer.get("id")
        if not _COMMIT.fullmatch(commit):
            raise UnexpectedFormError
        files = (_parse_file(found) for found in as_list(answer.get("siblings") or []))
        # Configuration of Git, which no model server reads.
        entries = tuple(entry for entry in files if entry.path != ".gitattributes")
    except (ValueError, RecursionError):
        message = f"{subject}: the response is not that of a Hub of Hugging Face. Check HF_ENDPOINT."
        raise LoaderError(Reason.UNREACHABLE, message) from None
    is_name = isinstance(name, str) and _REPOSITORY_NAME.fullmatch(name) is not None
    return Repository(str(name) if is_name else "", commit, entries, bool(answer.get("gated")))


def _parse_file(found: Json) -> Entry:
    """Return a file of a listing. Its blob is the SHA-1 that Git computes, for a file of LFS that of its pointer."""
    name, size = text_field(found, "rfilename"), size_field(found, "size")
    blob = text_field(found, "blobId") if found.get("blobId") else ""
    large = as_object(found.get("lfs") or {})
    digest = text_field(large, "sha256") if large.get("sha256") else None
    if digest is not None and not _SHA256.fullmatch(digest):
        raise UnexpectedFormError
    checksums = (
        {"git-sha1": blob} if digest is None and not large and size is not None and _SHA1.fullmatch(blob) else {}
    )
    return Entry(path=name, key=name, size=size, version=blob, sha256=digest, checksums=checksums)
