"""MLflow's model registry, by its REST API: alias -> version -> where the artifacts are -> the store that holds them.

https://mlflow.org/docs/latest/api_reference/rest-api.html. With proxied artifacts (`mlflow-artifacts:`) the tracking
server hands the files out itself, and no key of a cloud is needed.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from model_loader.download import Source
from model_loader.errors import LoaderError, Reason
from model_loader.http_client import Http, complaint_of, shown
from model_loader.manifest import Entry, Listing
from model_loader.paths import MOST_PARTS, checked
from model_loader.request import Request, bad_uri
from model_loader.sources.https import WebFile

_OK = 200
_API = "api/2.0/mlflow"
_FILES = "api/2.0/mlflow-artifacts/artifacts"
_STORES = ("s3", "gs", "az", "abfs", "abfss", "wasbs")


def source_of_version(request: Request) -> Source:
    """The store that holds a model version's artifacts."""
    server = _Server(request)
    version = server.version(request)
    uri = server.artifacts_of(version)
    scheme = uri.partition(":")[0]
    if scheme == "mlflow-artifacts":
        return _Version(_Proxied(server, uri, request), version)
    server.close()
    if scheme not in _STORES:
        message = f"{version} lies at {shown(uri)}, which only the tracking server can read: start it with proxied"
        raise LoaderError(Reason.BAD_URI, f"{message} artifacts (--serve-artifacts), or keep models in a store.")
    from model_loader.sources.object_store import ObjectStore  # noqa: PLC0415 - only where there is one

    return _Version(ObjectStore(replace(request, revision=None), uri), version)


@dataclass(frozen=True, slots=True)
class _ModelVersion:
    name: str
    number: str

    def __str__(self) -> str:
        return f"models:/{self.name}/{self.number}"


class _Version:
    """A store's files, with the version as their name."""

    def __init__(self, inner: Source, version: _ModelVersion) -> None:
        self._inner = inner
        self._version = version
        self.parts = inner.parts

    def listing(self) -> Listing:
        """What the store lists; the version says where it came from."""
        found = self._inner.listing()
        return replace(found, resolved_uri=f"{self._version} ({found.resolved_uri})", commit=str(self._version))

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Any]:
        """Bytes of a file."""
        return self._inner.read(entry, start, stop)

    def close(self) -> None:
        """Close the store."""
        self._inner.close()


class _Server:
    """A tracking server."""

    def __init__(self, request: Request) -> None:
        environment = request.environment
        self.url = environment.get("MLFLOW_TRACKING_URI", "").strip().rstrip("/")
        if urlsplit(self.url).scheme not in {"http", "https"}:
            message = (
                "models:/ needs the tracking server: put MLFLOW_TRACKING_URI into the Secret of model.credentials."
            )
            raise LoaderError(Reason.BAD_URI, message)
        self.headers = _authorization(environment)
        self.http = Http(request)

    def version(self, request: Request) -> _ModelVersion:
        """The version that a URI names now."""
        name, separator, what = _parsed(request.uri)
        if separator == "/":
            return _ModelVersion(name, what)
        answer = self._ask("registered-models/alias", f"The alias {what!r} of model {name!r}", name=name, alias=what)
        return _ModelVersion(name, str(answer["model_version"]["version"]))

    def artifacts_of(self, version: _ModelVersion) -> str:
        """Where the artifacts of a version are."""
        answer = self._ask("model-versions/get-download-uri", str(version), name=version.name, version=version.number)
        return str(answer["artifact_uri"])

    def _ask(self, path: str, what: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
        return self.json(f"{_API}/{path}", what, parameters)

    def json(self, path: str, what: str, parameters: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
        """An answer of the API; what is wrong in it is the server's fault."""
        with self.http.get(f"{self.url}/{path}?{urlencode(parameters)}", self.headers) as response:
            body = response.read()
        if response.status_code != _OK:
            raise _refused(response.status_code, body, what, self.url)
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            message = f"{shown(self.url)} does not answer as an MLflow tracking server does. Check MLFLOW_TRACKING_URI."
            raise LoaderError(Reason.UNREACHABLE, message) from None

    def close(self) -> None:
        """Close the connections."""
        self.http.client.close()


class _Proxied:
    """Artifacts that the tracking server hands out."""

    parts = False

    def __init__(self, server: _Server, uri: str, request: Request) -> None:
        self._server = server
        self._root = urlsplit(uri).path.strip("/")
        self._most = request.limits.files
        self._file = WebFile(server.http, server.headers)

    def listing(self) -> Listing:
        """Every file below the root, folder by folder."""
        entries: list[Entry] = []
        folders = [""]
        while folders:
            folder = folders.pop()
            for found in self._children(folder):
                path = checked(f"{folder}/{found['path']}".lstrip("/"))
                if found.get("is_dir"):
                    folders.append(path)
                else:
                    entries.append(Entry(path=path, key=f"{self._root}/{path}", size=_size(found)))
            if len(entries) + len(folders) > self._most or folder.count("/") > MOST_PARTS:
                raise LoaderError(Reason.TOO_LARGE, f"The tracking server lists more than {self._most} files.")
        return Listing(entries=tuple(entries), resolved_uri=f"mlflow-artifacts:/{self._root}")

    def _children(self, folder: str) -> list[dict[str, Any]]:
        path = f"{self._root}/{folder}".rstrip("/")
        answer = self._server.json(_FILES, f"mlflow-artifacts:/{path}", {"path": path})
        files = answer.get("files") if isinstance(answer, dict) else None
        return [one for one in files or () if isinstance(one, dict) and isinstance(one.get("path"), str)]

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Any]:
        """Bytes of a file."""
        url = f"{self._server.url}/{_FILES}/{quote(entry.key)}"
        return self._file.read(url, entry, start, stop)

    def close(self) -> None:
        """Close the connections."""
        self._server.close()


def _parsed(uri: str) -> tuple[str, str, str]:
    """Name, separator, and version or alias."""
    found = re.fullmatch(r"models:/{1,3}([^/@]+)([/@])([^/@]+)", uri)
    if found is None:
        raise bad_uri(uri, "write it as models:/NAME/VERSION or models:/NAME@ALIAS")
    name, separator, what = found.groups()
    if separator == "/" and not what.isdecimal():
        raise bad_uri(uri, f"{what!r} is no version number; an alias is written as models:/{name}@{what}")
    return name, separator, what


def _authorization(environment: Any) -> dict[str, str]:  # noqa: ANN401 - a mapping
    token = environment.get("MLFLOW_TRACKING_TOKEN", "").strip()
    user = environment.get("MLFLOW_TRACKING_USERNAME", "").strip()
    if token:
        return {"Authorization": f"Bearer {token}"}
    if not user:
        return {}
    password = environment.get("MLFLOW_TRACKING_PASSWORD", "").strip()
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def _refused(status: int, body: bytes, what: str, server: str) -> LoaderError:
    """What the server's refusal means; it answers 400 with a code of its own where something does not exist."""
    try:
        code = json.loads(body).get("error_code", "")
    except (ValueError, AttributeError, RecursionError):
        code = ""
    if code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}:
        message = f"{what} does not exist on the tracking server {shown(server)}. Check model.uri."
        return LoaderError(Reason.MODEL_NOT_FOUND, message)
    return complaint_of(status, what)


def _size(found: dict[str, Any]) -> int | None:
    size = found.get("file_size")
    return size if isinstance(size, int) and size >= 0 else None
