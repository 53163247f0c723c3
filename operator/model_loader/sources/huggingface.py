"""Hugging Face: the Hub's client lists a repository, and the loader downloads the files itself.

So the limits, checks and retries are those of every other store. The commit is resolved before the first byte, so that
all files are of the same commit.
"""

import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.http_client import HttpClient, check_headers, http_status_error
from model_loader.manifest import Chunk, Entry, Listing
from model_loader.request import Request, bad_uri_error
from model_loader.sources.https import HttpFileReader
from model_loader.text import is_size, replace_surrogates

_REPOSITORY_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")
_DISABLED_FEATURES = ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_IMPLICIT_TOKEN")
_DEFAULT_ENDPOINT = "https://huggingface.co"


class HuggingFaceSource:
    """A repository at one commit."""

    supports_parallel_reads = True

    def __init__(self, request: Request) -> None:
        name, _, revision = request.uri.removeprefix("hf:").lstrip("/").partition("@")
        if not _REPOSITORY_NAME.match(name):
            raise bad_uri_error(
                request.uri, "write it as hf://ORGANISATION/REPOSITORY, with @REVISION unless it is main"
            )
        if revision and request.revision and revision != request.revision:
            raise bad_uri_error(
                request.uri, f"model.revision {request.revision!r} is another revision: remove one of the two"
            )
        self._name = name
        self._revision = revision or request.revision or "main"
        self._endpoint = (request.environment.get("HF_ENDPOINT") or _DEFAULT_ENDPOINT).strip().rstrip("/")
        self._token = (
            request.environment.get("HF_TOKEN") or request.environment.get("HUGGING_FACE_HUB_TOKEN") or ""
        ).strip()
        self._request = request
        self._http = HttpClient(request)
        self._http.check_url(self._endpoint)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        check_headers(headers)
        self._file = HttpFileReader(self._http, headers)
        self._commit = ""
        self._gated = False

    @property
    def _subject(self) -> str:
        return f"hf://{self._name}@{self._revision}"

    def list_files(self) -> Listing:
        """List the files of the commit that the revision currently resolves to."""
        info = self._get_repository_info()
        self._gated = bool(getattr(info, "gated", False))
        self._commit, entries = parse_repository(info, self._subject)
        return Listing(entries=entries, resolved_uri=f"hf://{self._name}@{self._commit}", commit=self._commit)

    def _get_repository_info(self) -> Any:  # noqa: ANN401 - a type of the client, which is imported below
        # The import reads these variables. They disable caches, telemetry and other ways to download.
        os.environ.update(dict.fromkeys(_DISABLED_FEATURES, "1"))
        import httpx2
        import huggingface_hub
        from huggingface_hub import errors

        from model_loader.hub_client import build_client

        huggingface_hub.set_client_factory(lambda: build_client(self._request, self._http))
        api = huggingface_hub.HfApi(endpoint=self._endpoint, token=self._token or False, library_name="model-loader")
        subject = self._subject
        try:
            return api.model_info(self._name, revision=self._revision, files_metadata=True, timeout=30)
        except errors.HFValidationError:
            raise bad_uri_error(f"hf://{self._name}", "the Hub does not allow this name") from None
        except errors.GatedRepoError:
            raise self._gated_error() from None
        except errors.RevisionNotFoundError:
            message = f"The revision {self._revision!r} of hf://{self._name} does not exist. Check model.revision."
            raise LoaderError(Reason.MODEL_NOT_FOUND, message) from None
        except errors.RepositoryNotFoundError:
            raise self._not_found_error(subject) from None
        except errors.HfHubHTTPError as error:
            raise http_status_error(error.response.status_code, subject) from None
        except httpx2.TransportError as error:
            raise TransferError(f"The Hub at {self._endpoint} cannot be reached: {error}.") from None
        except LoaderError:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError, ArithmeticError):
            raise _unexpected_response_error(subject) from None
        finally:
            huggingface_hub.close_session()

    def _gated_error(self) -> LoaderError:
        """Return the error for a repository whose conditions must be accepted first."""
        message = f"{self._subject} is gated. On the Hub, accept its conditions with the account of HF_TOKEN"
        if not self._token:
            message += ", then put HF_TOKEN into the Secret of model.credentials"
        return LoaderError(Reason.ACCESS_DENIED, f"{message}.")

    def _not_found_error(self, subject: str) -> LoaderError:
        """Return the error for a repository that does not exist or is private: the Hub does not distinguish them."""
        if self._token:
            message = f"{subject} does not exist, or HF_TOKEN has no access to it. Check model.uri and the token."
        else:
            message = f"{subject} does not exist or is private."
            message += " If it is private, put HF_TOKEN into the Secret of model.credentials."
        return LoaderError(Reason.MODEL_NOT_FOUND, message)

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Yield the bytes of a file at the commit."""
        url = f"{self._endpoint}/{self._name}/resolve/{self._commit}/{quote(entry.key)}"
        # Without a version: the listing has the name of a blob, which may differ from the ETag. A commit is immutable.
        fixed = Entry(path=entry.path, key=entry.key, size=entry.size)
        try:
            yield from self._file.read(url, fixed, start, stop)
        except LoaderError as error:
            # The Hub lists a gated repository for any client.
            if self._gated and error.reason in {Reason.ACCESS_DENIED, Reason.INVALID_CREDENTIALS}:
                raise self._gated_error() from None
            raise

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def parse_repository(info: Any, subject: str) -> tuple[str, tuple[Entry, ...]]:  # noqa: ANN401 - a type of the client, whose fields may have any type
    """Return the commit and the files of a repository. Raises LoaderError if the response has another form."""
    commit, siblings = getattr(info, "sha", None), getattr(info, "siblings", None) or []
    if not isinstance(commit, str) or not re.fullmatch("[0-9a-f]{7,64}", commit) or not isinstance(siblings, list):
        raise _unexpected_response_error(subject)
    entries = (_parse_file(found, subject) for found in siblings)
    # Configuration of Git, which snapshot_download includes and no model server reads.
    return commit, tuple(entry for entry in entries if entry.path != ".gitattributes")


def _parse_file(found: Any, subject: str) -> Entry:  # noqa: ANN401 - a type of the client
    name, size, blob = found.rfilename, found.size, found.blob_id or ""
    digest = getattr(found.lfs, "sha256", None)
    has_digest = digest is None or (isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest) is not None)
    if not isinstance(name, str) or not name or not is_size(size) or not isinstance(blob, str) or not has_digest:
        raise _unexpected_response_error(subject)
    name = replace_surrogates(name)
    return Entry(path=name, key=name, size=size, version=replace_surrogates(blob), sha256=digest)


def _unexpected_response_error(subject: str) -> LoaderError:
    message = f"{subject}: the response is not that of a Hub of Hugging Face. Check HF_ENDPOINT."
    return LoaderError(Reason.UNREACHABLE, message)
