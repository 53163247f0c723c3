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
from model_loader.http_client import HttpClient, http_status_error
from model_loader.manifest import Chunk, Entry, Listing
from model_loader.request import Request, bad_uri_error
from model_loader.sources.https import HttpFileReader

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
        self._http = HttpClient(request)
        self._http.check_url(self._endpoint)
        self._file = HttpFileReader(self._http, {"Authorization": f"Bearer {self._token}"} if self._token else {})
        self._commit = ""

    def list_files(self) -> Listing:
        """List the files of the commit that the revision currently resolves to."""
        info = self._get_repository_info()
        self._commit = str(info.sha)
        if not re.fullmatch("[0-9a-f]{7,64}", self._commit):
            raise LoaderError(Reason.UNREACHABLE, f"The Hub reported no commit for {self._name}.")
        entries = tuple(
            Entry(
                path=found.rfilename,
                key=found.rfilename,
                size=found.size,
                version=str(found.blob_id or ""),
                sha256=found.lfs.sha256 if found.lfs is not None else None,
            )
            for found in info.siblings or ()
            # Configuration of Git, which snapshot_download includes and no model server reads.
            if found.rfilename != ".gitattributes"
        )
        return Listing(entries=entries, resolved_uri=f"hf://{self._name}@{self._commit}", commit=self._commit)

    def _get_repository_info(self) -> Any:  # noqa: ANN401 - a type of the client, which is imported below
        # The import reads these variables. They disable caches, telemetry and other ways to download.
        os.environ.update(dict.fromkeys(_DISABLED_FEATURES, "1"))
        import httpx2
        import huggingface_hub
        from huggingface_hub import errors

        huggingface_hub.set_client_factory(self._http.build_client)
        api = huggingface_hub.HfApi(endpoint=self._endpoint, token=self._token or False, library_name="model-loader")
        subject = f"hf://{self._name}@{self._revision}"
        try:
            return api.model_info(self._name, revision=self._revision, files_metadata=True, timeout=30)
        except errors.GatedRepoError:
            message = f"{subject} is gated. On the Hub, accept its conditions with the account of HF_TOKEN."
            raise LoaderError(Reason.ACCESS_DENIED, message) from None
        except errors.RevisionNotFoundError:
            message = f"The revision {self._revision!r} of hf://{self._name} does not exist. Check model.revision."
            raise LoaderError(Reason.MODEL_NOT_FOUND, message) from None
        except errors.RepositoryNotFoundError:
            raise self._not_found_error(subject) from None
        except errors.HfHubHTTPError as error:
            raise http_status_error(error.response.status_code, subject) from None
        except httpx2.TransportError as error:
            raise TransferError(f"The Hub at {self._endpoint} cannot be reached: {error}.") from None

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
        yield from self._file.read(url, fixed, start, stop)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
