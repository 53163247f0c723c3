"""Model registry of MLflow, by its REST API: alias -> version -> URI of the artifacts -> the store that holds them.

https://mlflow.org/docs/latest/api_reference/rest-api.html. With proxied artifacts (`mlflow-artifacts:`) the tracking
server serves the files itself, and no credentials of the store are needed.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from model_loader.download import Source
from model_loader.errors import LoaderError, Reason
from model_loader.http_client import HttpClient, http_status_error
from model_loader.manifest import Chunk, Entry, Json, Listing
from model_loader.paths import MAX_PARTS, validate_path
from model_loader.redaction import redact_url
from model_loader.request import Request, bad_uri_error
from model_loader.sources.https import HttpFileReader

_OK = 200
_API = "api/2.0/mlflow"
_ARTIFACTS_API = "api/2.0/mlflow-artifacts/artifacts"
_STORE_SCHEMES = ("s3", "gs", "az", "abfs", "abfss", "wasbs")


def open_model_version(request: Request) -> Source:
    """Return the store that holds the artifacts of a model version. Raises LoaderError."""
    server = _TrackingServer(request)
    version = server.resolve_version(request)
    uri = server.get_artifact_uri(version)
    scheme = uri.partition(":")[0]
    if scheme == "mlflow-artifacts":
        return _ModelVersionSource(_ProxiedArtifactSource(server, uri, request), version)
    server.close()
    if scheme not in _STORE_SCHEMES:
        message = f"{version} is stored at {redact_url(uri)}, which only the tracking server can read. Start it with"
        raise LoaderError(Reason.BAD_URI, f"{message} proxied artifacts (--serve-artifacts), or use an object store.")
    from model_loader.sources.object_store import ObjectStoreSource

    return _ModelVersionSource(ObjectStoreSource(replace(request, revision=None), uri), version)


@dataclass(frozen=True, slots=True)
class _ModelVersion:
    name: str
    number: str

    def __str__(self) -> str:
        return f"models:/{self.name}/{self.number}"


class _ModelVersionSource:
    """Files of a store, with the model version as their resolution."""

    def __init__(self, source: Source, version: _ModelVersion) -> None:
        self._source = source
        self._version = version
        self.supports_parallel_reads = source.supports_parallel_reads

    def list_files(self) -> Listing:
        """List the files of the store."""
        found = self._source.list_files()
        return replace(found, resolved_uri=f"{self._version} ({found.resolved_uri})", commit=str(self._version))

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Yield the bytes of a file."""
        return self._source.read(entry, start, stop)

    def close(self) -> None:
        """Close the connections to the store."""
        self._source.close()


class _TrackingServer:
    """A tracking server."""

    def __init__(self, request: Request) -> None:
        environment = request.environment
        self.url = environment.get("MLFLOW_TRACKING_URI", "").strip().rstrip("/")
        if urlsplit(self.url).scheme not in {"http", "https"}:
            message = (
                "models:/ requires a tracking server. Put MLFLOW_TRACKING_URI into the Secret of model.credentials."
            )
            raise LoaderError(Reason.BAD_URI, message)
        self.headers = _build_authorization(environment)
        self.http = HttpClient(request)

    def resolve_version(self, request: Request) -> _ModelVersion:
        """Return the version that a URI currently resolves to."""
        name, separator, reference = _parse_uri(request.uri)
        if separator == "/":
            return _ModelVersion(name, reference)
        answer = self._call_api(
            "registered-models/alias", f"The alias {reference!r} of model {name!r}", name=name, alias=reference
        )
        return _ModelVersion(name, str(answer["model_version"]["version"]))

    def get_artifact_uri(self, version: _ModelVersion) -> str:
        """Return the URI of the artifacts of a version."""
        answer = self._call_api(
            "model-versions/get-download-uri", str(version), name=version.name, version=version.number
        )
        return str(answer["artifact_uri"])

    def _call_api(self, path: str, subject: str, **parameters: str) -> Json:
        return self.get_json(f"{_API}/{path}", subject, parameters)

    def get_json(self, path: str, subject: str, parameters: dict[str, str]) -> Json:
        """Return a decoded response of the API. Raises LoaderError."""
        with self.http.get(f"{self.url}/{path}?{urlencode(parameters)}", self.headers) as response:
            body = response.read()
        if response.status_code != _OK:
            raise _api_error(response.status_code, body, subject, self.url)
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            message = (
                f"{redact_url(self.url)} does not respond like an MLflow tracking server. Check MLFLOW_TRACKING_URI."
            )
            raise LoaderError(Reason.UNREACHABLE, message) from None

    def close(self) -> None:
        """Close the connections."""
        self.http.close()


class _ProxiedArtifactSource:
    """Artifacts that the tracking server serves."""

    supports_parallel_reads = False

    def __init__(self, server: _TrackingServer, uri: str, request: Request) -> None:
        self._server = server
        self._root = urlsplit(uri).path.strip("/")
        self._max_files = request.limits.max_files
        self._file = HttpFileReader(server.http, server.headers)

    def list_files(self) -> Listing:
        """List every file below the root, directory by directory."""
        entries: list[Entry] = []
        directories = [""]
        while directories:
            directory = directories.pop()
            for found in self._list_directory(directory):
                path = validate_path(f"{directory}/{found['path']}".lstrip("/"))
                if found.get("is_dir"):
                    directories.append(path)
                else:
                    entries.append(Entry(path=path, key=f"{self._root}/{path}", size=_parse_size(found)))
            if len(entries) + len(directories) > self._max_files or directory.count("/") > MAX_PARTS:
                raise LoaderError(Reason.TOO_LARGE, f"The tracking server lists more than {self._max_files} files.")
        return Listing(entries=tuple(entries), resolved_uri=f"mlflow-artifacts:/{self._root}")

    def _list_directory(self, directory: str) -> list[dict[str, Any]]:
        path = f"{self._root}/{directory}".rstrip("/")
        answer = self._server.get_json(_ARTIFACTS_API, f"mlflow-artifacts:/{path}", {"path": path})
        files = answer.get("files") if isinstance(answer, dict) else None
        return [one for one in files or () if isinstance(one, dict) and isinstance(one.get("path"), str)]

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Yield the bytes of a file."""
        url = f"{self._server.url}/{_ARTIFACTS_API}/{quote(entry.key)}"
        return self._file.read(url, entry, start, stop)

    def close(self) -> None:
        """Close the connections."""
        self._server.close()


def _parse_uri(uri: str) -> tuple[str, str, str]:
    """Return the name, the separator, and the version or alias."""
    found = re.fullmatch(r"models:/{1,3}([^/@]+)([/@])([^/@]+)", uri)
    if found is None:
        raise bad_uri_error(uri, "write it as models:/NAME/VERSION or models:/NAME@ALIAS")
    name, separator, reference = found.groups()
    if separator == "/" and not reference.isdecimal():
        message = f"{reference!r} is not a version number; write an alias as models:/{name}@{reference}"
        raise bad_uri_error(uri, message)
    return name, separator, reference


def _build_authorization(environment: Mapping[str, str]) -> dict[str, str]:
    token = environment.get("MLFLOW_TRACKING_TOKEN", "").strip()
    user = environment.get("MLFLOW_TRACKING_USERNAME", "").strip()
    if token:
        return {"Authorization": f"Bearer {token}"}
    if not user:
        return {}
    password = environment.get("MLFLOW_TRACKING_PASSWORD", "").strip()
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def _api_error(status: int, body: bytes, subject: str, server: str) -> LoaderError:
    """Return the error for a response; for objects that do not exist the server may respond with 400 and a code."""
    try:
        code = json.loads(body).get("error_code", "")
    except (ValueError, AttributeError, RecursionError):
        code = ""
    if code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}:
        message = f"{subject} does not exist on the tracking server {redact_url(server)}. Check model.uri."
        return LoaderError(Reason.MODEL_NOT_FOUND, message)
    return http_status_error(status, subject)


def _parse_size(found: dict[str, Any]) -> int | None:
    size = found.get("file_size")
    return size if isinstance(size, int) and size >= 0 else None
