"""Model registry of MLflow, by its REST API: alias -> version -> URI of the artifacts -> the store that holds them.

https://mlflow.org/docs/latest/api_reference/rest-api.html. With proxied artifacts (`mlflow-artifacts:`) the tracking
server serves the files itself, and no credentials of the store are needed.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit

from model_loader.download import Source
from model_loader.errors import LoaderError, Reason
from model_loader.http_client import HttpClient, Response, encode_basic_login, http_error
from model_loader.manifest import Chunk, Entry, Json, Listing
from model_loader.paths import MAX_PARTS, validate_path
from model_loader.redaction import redact_url
from model_loader.request import Request, bad_uri_error, decode_uri_part
from model_loader.sources.https import HttpFileReader
from model_loader.text import UnexpectedFormError, as_list, as_object, decode_json, size_field, text_field

_OK = 200
_API = "api/2.0/mlflow"
_ARTIFACTS_API = "api/2.0/mlflow-artifacts/artifacts"
_Parsed = TypeVar("_Parsed")
_STORE_SCHEMES = ("s3", "gs", "az", "abfs", "abfss", "wasbs")


def open_model_version(request: Request) -> Source:
    """Return the store that holds the artifacts of a model version. Raises LoaderError."""
    server = _TrackingServer(request)
    try:
        version = server.resolve_version(request)
        uri = server.get_artifact_uri(version)
    except BaseException:
        server.close()
        raise
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
        if not self.url.lower().startswith(("http://", "https://")):
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
        return _ModelVersion(name, self._parse(parse_alias, answer))

    def get_artifact_uri(self, version: _ModelVersion) -> str:
        """Return the URI of the artifacts of a version."""
        answer = self._call_api(
            "model-versions/get-download-uri", str(version), name=version.name, version=version.number
        )
        return self._parse(parse_artifact_uri, answer)

    def _parse(self, parse: Callable[[Json], _Parsed], answer: Json) -> _Parsed:
        try:
            return parse(answer)
        except ValueError:
            raise self.unexpected_response_error() from None

    def unexpected_response_error(self) -> LoaderError:
        """Return the error for a response that is not of MLflow."""
        message = f"{redact_url(self.url)} does not respond like an MLflow tracking server. Check MLFLOW_TRACKING_URI."
        return LoaderError(Reason.UNREACHABLE, message)

    def _call_api(self, path: str, subject: str, **parameters: str) -> Json:
        return self.get_json(f"{_API}/{path}", subject, parameters)

    def get_json(self, path: str, subject: str, parameters: dict[str, str]) -> Json:
        """Return a decoded response of the API. Raises LoaderError."""
        with self.http.get(f"{self.url}/{path}?{urlencode(parameters)}", self.headers) as response:
            body = response.read()
        if response.status != _OK:
            raise _api_error(response, body, subject, self.url)
        try:
            return decode_json(body)
        except (ValueError, RecursionError):
            raise self.unexpected_response_error() from None

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
                path = validate_path(f"{directory}/{found.name}".lstrip("/"))
                if found.is_directory:
                    directories.append(path)
                else:
                    entries.append(Entry(path=path, key=f"{self._root}/{path}", size=found.size))
            if len(entries) + len(directories) > self._max_files or directory.count("/") > MAX_PARTS:
                raise LoaderError(Reason.TOO_LARGE, f"The tracking server lists more than {self._max_files} files.")
        return Listing(entries=tuple(entries), resolved_uri=f"mlflow-artifacts:/{self._root}")

    def _list_directory(self, directory: str) -> list["Artifact"]:
        path = f"{self._root}/{directory}".rstrip("/")
        answer = self._server.get_json(_ARTIFACTS_API, f"mlflow-artifacts:/{path}", {"path": path})
        try:
            return parse_artifacts(answer)
        except ValueError:
            raise self._server.unexpected_response_error() from None

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
    name, reference = decode_uri_part(found[1], uri), decode_uri_part(found[3], uri)
    separator = found[2]
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
    return {"Authorization": f"Basic {encode_basic_login(user, password)}"}


def _api_error(response: Response, body: bytes, subject: str, server: str) -> LoaderError:
    """Return the error for a response; for objects that do not exist the server may respond with 400 and a code."""
    try:
        code = decode_json(body).get("error_code", "")
    except (ValueError, AttributeError, RecursionError):
        code = ""
    if isinstance(code, str) and code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}:
        message = f"{subject} does not exist on the tracking server {redact_url(server)}. Check model.uri."
        return LoaderError(Reason.MODEL_NOT_FOUND, message)
    return http_error(response, subject)


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file or directory, as the tracking server lists it."""

    name: str
    size: int | None
    is_directory: bool


def parse_alias(answer: Json) -> str:
    """Return the version number of a response to registered-models/alias. Raises ValueError."""
    number = as_object(as_object(answer).get("model_version")).get("version")
    text = str(number)
    if type(number) not in {int, str} or not re.fullmatch("[0-9]{1,18}", text):
        raise UnexpectedFormError
    return text


def parse_artifact_uri(answer: Json) -> str:
    """Return the URI of a response to model-versions/get-download-uri. Raises ValueError."""
    uri = text_field(answer, "artifact_uri")
    urlsplit(uri)
    return uri


def parse_artifacts(answer: Json) -> list[Artifact]:
    """Return the files and directories of a response of the artifacts API. Raises ValueError."""
    files = as_list(as_object(answer).get("files") or [])
    return [Artifact(text_field(one, "path"), size_field(one, "file_size"), bool(one.get("is_dir"))) for one in files]
