"""Hugging Face: the Hub's own client says what a repository holds; the files come over our own connections.

So the same limits, names, addresses and retries hold as for every other store, and the commit is fixed before the first
byte: every file is of the same one.
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
    """One repository at one commit."""

    supports_parallel_reads = True

    def __init__(self, request: Request) -> None:
        name, _, revision = request.uri.removeprefix("hf:").lstrip("/").partition("@")
        if not _REPOSITORY_NAME.match(name):
            raise bad_uri_error(
                request.uri, "write it as hf://ORGANISATION/REPOSITORY, with @REVISION if it is not main"
            )
        if revision and request.revision and revision != request.revision:
            raise bad_uri_error(request.uri, f"model.revision {request.revision!r} names another revision: remove one")
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
        """Files of the commit that the revision names now."""
        info = self._get_repository_info()
        self._commit = str(info.sha)
        if not re.fullmatch("[0-9a-f]{7,64}", self._commit):
            raise LoaderError(Reason.UNREACHABLE, f"The Hub names no commit of {self._name}.")
        entries = tuple(
            Entry(
                path=found.rfilename,
                key=found.rfilename,
                size=found.size,
                version=str(found.blob_id or ""),
                sha256=found.lfs.sha256 if found.lfs is not None else None,
            )
            for found in info.siblings or ()
            # Git's own business, which snapshot_download brings and no server reads.
            if found.rfilename != ".gitattributes"
        )
        return Listing(entries=entries, resolved_uri=f"hf://{self._name}@{self._commit}", commit=self._commit)

    def _get_repository_info(self) -> Any:  # noqa: ANN401 - the client's own type
        # Before the import, which reads them. Nothing is cached, reported or fetched by other ways than ours.
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
            message = f"{subject} is gated: accept its conditions on the Hub, with the account of HF_TOKEN."
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
        """The Hub answers the same to those who may not know that a repository exists."""
        if self._token:
            message = f"{subject} does not exist, or HF_TOKEN may not read it. Check model.uri and the token."
        else:
            message = (
                f"{subject} does not exist, or is private: then put HF_TOKEN into the Secret of model.credentials."
            )
        return LoaderError(Reason.MODEL_NOT_FOUND, message)

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Bytes of a file at the commit."""
        url = f"{self._endpoint}/{self._name}/resolve/{self._commit}/{quote(entry.key)}"
        # The listing's version is a blob's name, which the answer's ETag need not be; a commit does not change.
        fixed = Entry(path=entry.path, key=entry.key, size=entry.size)
        yield from self._file.read(url, fixed, start, stop)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
