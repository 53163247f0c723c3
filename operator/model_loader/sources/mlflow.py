"""Models and runs of MLflow, by its REST API: URI -> version or run -> URI of the artifacts -> the store of those.

https://mlflow.org/docs/latest/api_reference/rest-api.html. With proxied artifacts (`mlflow-artifacts:`) the tracking
server serves the files itself, and no credentials of the store are needed.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from model_loader.errors import LoaderError, Reason
from model_loader.http_client import HttpClient, Response, encode_basic_login, http_error
from model_loader.manifest import Chunk, Entry, Json, Listing
from model_loader.paths import MAX_PARTS, validate_path
from model_loader.redaction import redact_url
from model_loader.request import Request, bad_uri_error, decode_uri_part
from model_loader.sources.https import HttpFileReader
from model_loader.sources.ranges import Readable, read_chunks
from model_loader.text import UnexpectedFormError, as_list, as_object, decode_json, size_field, text_field

_OK = 200
_API = "api/2.0/mlflow"
_ARTIFACTS_API = "api/2.0/mlflow-artifacts/artifacts"
_Parsed = TypeVar("_Parsed")
_STORE_SCHEMES = ("s3", "gs", "az", "abfs", "abfss", "wasbs")
_STAGES = ("none", "staging", "production", "archived")
_LATEST = "latest"
_READY_STATUSES = frozenset({"READY", "LOGGED_MODEL_READY", ""})
_MAX_REFERENCES = 4
"""Maximum number of URIs of MLflow that lead to each other: an alias, its version, the logged model of that version."""
_MAX_SEARCH_PAGES = 20
_LOGGED_MODEL = re.compile("m-[A-Za-z0-9]+")
_FORMS = (
    "write it as models:/NAME/VERSION, models:/NAME@ALIAS, models:/NAME/latest, models:/m-ID of a logged model, or"
    " runs:/RUN_ID/PATH"
)


class MlflowStore(Protocol):
    """Store that holds artifacts."""

    supports_parallel_reads: bool

    def list_files(self) -> Listing:
        """List the files."""

    def open(self, entry: Entry, start: int, stop: int | None) -> AbstractContextManager[Readable]:
        """Open a file at an offset."""

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Yield the bytes of a file."""

    def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed URI of MLflow."""

    kind: str
    """version, alias, stage (also latest), model or run."""
    name: str
    """Name of the registered model, or ID of the logged model or the run."""
    detail: str = ""
    """Version, alias, stage, or path below the artifacts of a run."""

    def __str__(self) -> str:
        match self.kind:
            case "run":
                return f"runs:/{self.name}/{self.detail}".rstrip("/")
            case "model":
                return f"models:/{self.name}"
            case "alias":
                return f"models:/{self.name}@{self.detail}"
            case _:
                return f"models:/{self.name}/{self.detail}"


@dataclass(frozen=True, slots=True)
class _Location:
    """Artifacts of a model."""

    uri: str
    reference: Reference
    """Version, logged model or run that the requested URI resolves to."""

    @property
    def commit(self) -> str | None:
        """Immutable name of the content; None for a run, whose artifacts can be changed."""
        return None if self.reference.kind == "run" else str(self.reference)


def open_mlflow_model(request: Request) -> "MlflowSource":
    """Return the source for the artifacts of a model or run. Raises LoaderError."""
    reference = parse_uri(request.uri)
    server = _TrackingServer(request)
    try:
        location = server.locate(reference)
        return MlflowSource(server, location, request)
    except BaseException:
        server.close()
        raise


class MlflowSource:
    """Artifacts of a version, a logged model or a run."""

    def __init__(self, server: "_TrackingServer", location: _Location, request: Request) -> None:
        self._server = server
        self._request = request
        self._location = location
        self._store = self._open_store(location)
        self.supports_parallel_reads = self._store.supports_parallel_reads

    def _open_store(self, location: _Location) -> MlflowStore:
        uri = location.uri
        if (path := self._server.find_proxied_path(uri)) is not None:
            return _ProxiedArtifactStore(self._server, path, self._request)
        if uri.partition(":")[0] not in _STORE_SCHEMES:
            raise _unreadable_location_error(location)
        from model_loader.sources.object_store import ObjectStoreSource

        return ObjectStoreSource(replace(self._request, revision=None), uri)

    def list_files(self) -> Listing:
        """List the files of the store. Those of a run may be those of a logged model."""
        found = self._list_artifacts()
        if not found.entries and (location := self._server.locate_logged_model(self._location.reference)) is not None:
            self._store.close()
            self._location, self._store = location, self._open_store(location)
            found = self._list_artifacts()
        self.supports_parallel_reads = self._store.supports_parallel_reads
        resolved_uri = f"{self._location.reference} ({found.resolved_uri})"
        return replace(found, resolved_uri=resolved_uri, commit=self._location.commit)

    def _list_artifacts(self) -> Listing:
        try:
            return self._store.list_files()
        except LoaderError as error:
            if error.reason is not Reason.MODEL_NOT_FOUND or self._location.reference.kind != "run":
                raise
            return Listing(entries=(), resolved_uri=redact_url(self._location.uri))

    def open(self, entry: Entry, start: int, stop: int | None) -> AbstractContextManager[Readable]:
        """Open a file at an offset."""
        return self._store.open(entry, start, stop)

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Yield the bytes of a file."""
        return self._store.read(entry, start, stop)

    def close(self) -> None:
        """Close the connections to the store and the tracking server."""
        self._store.close()
        self._server.close()


class _TrackingServer:
    """A tracking server."""

    def __init__(self, request: Request) -> None:
        environment = request.environment
        self.url = environment.get("MLFLOW_TRACKING_URI", "").strip().rstrip("/")
        if not self.url.lower().startswith(("http://", "https://")):
            message = (
                f"{request.scheme}:/ requires a tracking server. Put MLFLOW_TRACKING_URI into the Secret of"
                " model.credentials."
            )
            if self.url.lower().startswith("databricks"):
                message += " For Databricks, write https://WORKSPACE with MLFLOW_TRACKING_TOKEN."
            raise LoaderError(Reason.BAD_URI, message)
        self.headers = _build_authorization(environment)
        self.http = HttpClient(request)

    def locate(self, reference: Reference) -> _Location:
        """Return the artifacts that a reference currently resolves to. Raises LoaderError."""
        for _ in range(_MAX_REFERENCES):
            reference = self._resolve_name(reference)
            uri = self._get_artifact_uri(reference)
            if not uri.startswith(("models:", "runs:")):
                return _Location(uri, reference)
            # The version of a registered model may name a logged model or a run.
            try:
                reference = parse_uri(quote(uri, safe="/:@"))
            except LoaderError:
                break
        raise self.unexpected_response_error()

    def _resolve_name(self, reference: Reference) -> Reference:
        """Return the version of an alias, of a stage, or the latest one; other references are returned as they are."""
        name, detail = reference.name, reference.detail
        if reference.kind == "alias":
            answer = self._call_api(
                "registered-models/alias", f"The alias {detail!r} of model {name!r}", name=name, alias=detail
            )
            return Reference("version", name, self._parse(parse_alias, answer))
        if reference.kind != "stage":
            return reference
        stages = {} if detail.lower() == _LATEST else {"stages": detail.capitalize()}
        answer = self._call_api("registered-models/get-latest-versions", f"The model {name!r}", name=name, **stages)
        number = self._parse(parse_latest_version, answer)
        if number is not None:
            return Reference("version", name, number)
        if not stages:
            raise LoaderError(Reason.MODEL_NOT_FOUND, f"The model {name!r} has no version. Check model.uri.")
        alias = detail.lower()
        message = (
            f"No version of model {name!r} is in the stage {detail!r}. Aliases have replaced stages: set the alias"
            f" {alias!r} on a version, and write models:/{quote(name, safe='')}@{alias}."
        )
        raise LoaderError(Reason.MODEL_NOT_FOUND, message)

    def _get_artifact_uri(self, reference: Reference) -> str:
        """Return the URI of the artifacts of a version, a logged model or a run."""
        name, detail, subject = reference.name, reference.detail, str(reference)
        match reference.kind:
            case "version":
                answer = self._call_api("model-versions/get-download-uri", subject, name=name, version=detail)
                return self._parse(parse_artifact_uri, answer)
            case "model":
                answer = self._call_api(f"logged-models/{quote(name, safe='')}", subject)
                return self._parse(parse_logged_model, answer).check_ready().uri
            case _:
                run = self._parse(parse_run, self._call_api("runs/get", f"runs:/{name}", run_id=name))
                return f"{run.uri.rstrip('/')}/{detail}".rstrip("/")

    def locate_logged_model(self, reference: Reference) -> _Location | None:
        """Return the artifacts of the logged model of a run that has the name of a path, or None (MLflow 3)."""
        name, _, path = reference.detail.partition("/")
        if reference.kind != "run" or not name or re.search("['\"%:.]", name):
            return None
        run = self._parse(parse_run, self._call_api("runs/get", str(reference), run_id=reference.name))
        search = {"experiment_ids": [run.experiment_id], "filter": f"name = '{name}'"}
        for model in self._search_logged_models(search, str(reference)):
            if model.run_id == reference.name:
                uri = f"{model.check_ready().uri.rstrip('/')}/{path}".rstrip("/")
                return _Location(uri, Reference("model", model.id))
        return None

    def _search_logged_models(self, search: dict[str, Json], subject: str) -> Iterator["LoggedModel"]:
        for _ in range(_MAX_SEARCH_PAGES):
            body = json.dumps(search).encode()
            url = f"{self.url}/{_API}/logged-models/search"
            with self.http.post(url, self.headers, body=body, content_type="application/json") as response:
                answer = response.read()
            if response.status == 404:  # noqa: PLR2004 - MLflow 2 has no logged models
                return
            models, token = self._parse(parse_logged_models, self._decode(response, answer, subject))
            yield from models
            if not token:
                return
            search = search | {"page_token": token}

    def find_proxied_path(self, uri: str) -> str | None:
        """Return the path of artifacts that this server serves, or None if they are in another store."""
        if (found := re.fullmatch("mlflow-artifacts:(?://[^/]*)?/*(.*)", uri, re.DOTALL)) is not None:
            return found[1].strip("/")
        prefix = f"{self.url}/{_ARTIFACTS_API}/"
        return uri.removeprefix(prefix).strip("/") if uri.startswith(prefix) else None

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

    def get_json(self, path: str, subject: str, parameters: Mapping[str, str]) -> Json:
        """Return a decoded response of the API. Raises LoaderError."""
        with self.http.get(f"{self.url}/{path}?{urlencode(parameters)}", self.headers) as response:
            body = response.read()
        return self._decode(response, body, subject)

    def _decode(self, response: Response, body: bytes, subject: str) -> Json:
        if response.status != _OK:
            raise _api_error(response, body, subject, self.url)
        try:
            return decode_json(body)
        except (ValueError, RecursionError):
            raise self.unexpected_response_error() from None

    def close(self) -> None:
        """Close the connections."""
        self.http.close()


class _ProxiedArtifactStore:
    """Artifacts that the tracking server serves."""

    supports_parallel_reads = False

    def __init__(self, server: _TrackingServer, root: str, request: Request) -> None:
        self._server = server
        self._root = root
        self._max_files = request.limits.max_files
        self._file = HttpFileReader(server.http, server.headers)

    def list_files(self) -> Listing:
        """List the file of that name, or every file below the root, directory by directory."""
        entries: list[Entry] = []
        directories = [""]
        while directories:
            directory = directories.pop()
            for found in self._list_directory(f"{self._root}/{directory}".rstrip("/")):
                path = validate_path(f"{directory}/{found.name}".lstrip("/"))
                if found.is_directory:
                    directories.append(path)
                else:
                    entries.append(Entry(path=path, key=f"{self._root}/{path}", size=found.size))
            if len(entries) + len(directories) > self._max_files or directory.count("/") > MAX_PARTS:
                raise LoaderError(Reason.TOO_LARGE, f"The tracking server lists more than {self._max_files} files.")
        listed = tuple(entries) or self._find_file()
        return Listing(entries=listed, resolved_uri=f"mlflow-artifacts:/{self._root}")

    def _find_file(self) -> tuple[Entry, ...]:
        """Return the file whose path is that of the root: the server lists it in its directory only."""
        parent, _, name = self._root.rpartition("/")
        if not parent:
            return ()
        files = (found for found in self._list_directory(parent) if found.name == name and not found.is_directory)
        return tuple(Entry(path=validate_path(name), key=self._root, size=found.size) for found in files)

    def _list_directory(self, path: str) -> list["Artifact"]:
        answer = self._server.get_json(_ARTIFACTS_API, f"mlflow-artifacts:/{path}", {"path": path})
        try:
            return parse_artifacts(answer)
        except ValueError:
            raise self._server.unexpected_response_error() from None

    def open(self, entry: Entry, start: int, stop: int | None) -> AbstractContextManager[Readable]:
        """Open a file at an offset."""
        return self._file.open(f"{self._server.url}/{_ARTIFACTS_API}/{quote(entry.key)}", entry, start, stop)

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Yield the bytes of a file."""
        with self.open(entry, start, stop) as opened:
            yield from read_chunks(opened)

    def close(self) -> None:
        """Keep the connections: they are those of the tracking server."""


def parse_uri(uri: str) -> Reference:
    """Parse a URI of MLflow; each part is decoded once. Raises LoaderError."""
    if (found := re.fullmatch("runs:/([A-Za-z0-9][A-Za-z0-9_-]*)(?:/([^?#]*))?", uri)) is not None:
        path = decode_uri_part(found[2] or "", uri).rstrip("/")
        if path:
            validate_path(path)
        return Reference("run", found[1], path)
    if (found := re.fullmatch("models:/([^/@?#]+)(?:([/@])([^/@?#]+))?", uri)) is None:
        raise bad_uri_error(uri, _FORMS)
    name, separator, detail = decode_uri_part(found[1], uri), found[2], decode_uri_part(found[3] or "", uri)
    if separator is None:
        if not _LOGGED_MODEL.fullmatch(name):
            raise bad_uri_error(uri, _FORMS)
        return Reference("model", name)
    if separator == "@":
        return Reference("alias", name, detail)
    if detail.isascii() and detail.isdecimal():
        return Reference("version", name, detail)
    if detail.lower() not in {_LATEST, *_STAGES}:
        message = f"{detail!r} is not a version number; write an alias as models:/{found[1]}@{found[3]}"
        raise bad_uri_error(uri, message)
    return Reference("stage", name, detail)


def _unreadable_location_error(location: _Location) -> LoaderError:
    """Return the error for artifacts at a location that only the tracking server, or Databricks, can read."""
    subject, uri = str(location.reference), redact_url(location.uri)
    if uri.startswith("dbfs:"):
        message = (
            f"{subject} is stored at {uri}, which only Databricks can read. Copy it to an object store, and register"
        )
        return LoaderError(Reason.BAD_URI, f"{message} that copy.")
    message = f"{subject} is stored at {uri}, which only the tracking server can read. Start it with"
    return LoaderError(Reason.BAD_URI, f"{message} proxied artifacts (--serve-artifacts), or use an object store.")


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


@dataclass(frozen=True, slots=True)
class Run:
    """A run."""

    uri: str
    experiment_id: str


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A logged model of MLflow 3."""

    id: str
    uri: str
    status: str
    run_id: str
    """Run that logged it; may be empty."""

    def check_ready(self) -> "LoggedModel":
        """Return the model. Raises LoaderError if its upload has failed or has not ended."""
        if self.status not in _READY_STATUSES:
            message = f"The logged model {self.id} is not complete: its status is {self.status}. Log it again."
            raise LoaderError(Reason.MODEL_NOT_FOUND, message)
        return self


def parse_alias(answer: Json) -> str:
    """Return the version number of a response to registered-models/alias. Raises ValueError."""
    return _version_number(as_object(answer).get("model_version"))


def parse_latest_version(answer: Json) -> str | None:
    """Return the highest version of a response to registered-models/get-latest-versions, or None. Raises ValueError."""
    numbers = [int(_version_number(version)) for version in as_list(as_object(answer).get("model_versions") or [])]
    return str(max(numbers)) if numbers else None


def _version_number(version: Json) -> str:
    number = as_object(version).get("version")
    text = str(number)
    if type(number) not in {int, str} or not re.fullmatch("[0-9]{1,18}", text):
        raise UnexpectedFormError
    return text


def parse_artifact_uri(answer: Json) -> str:
    """Return the URI of a response to model-versions/get-download-uri. Raises ValueError."""
    return _location_field(answer)


def parse_run(answer: Json) -> Run:
    """Return the run of a response to runs/get. Raises ValueError."""
    info = as_object(as_object(as_object(answer).get("run")).get("info"))
    return Run(_location_field(info), str(info.get("experiment_id") or ""))


def parse_logged_model(answer: Json) -> LoggedModel:
    """Return the model of a response to logged-models/ID. Raises ValueError."""
    return _logged_model(as_object(answer).get("model"))


def parse_logged_models(answer: Json) -> tuple[list[LoggedModel], str]:
    """Return the models and the token of the next page of a response to logged-models/search. Raises ValueError."""
    found = as_object(answer)
    models = [_logged_model(one) for one in as_list(found.get("models") or [])]
    return models, text_field(found, "next_page_token") if found.get("next_page_token") else ""


def _logged_model(value: Json) -> LoggedModel:
    info = as_object(as_object(value).get("info"))
    status, run_id, number = info.get("status") or "", info.get("source_run_id") or "", text_field(info, "model_id")
    if not isinstance(status, str) or not isinstance(run_id, str) or not _LOGGED_MODEL.fullmatch(number):
        raise UnexpectedFormError
    return LoggedModel(number, _location_field(info), status, run_id)


def _location_field(value: Json) -> str:
    uri = text_field(value, "artifact_uri")
    urlsplit(uri)
    return uri


def parse_artifacts(answer: Json) -> list[Artifact]:
    """Return the files and directories of a response of the artifacts API. Raises ValueError."""
    files = as_list(as_object(answer).get("files") or [])
    return [Artifact(text_field(one, "path"), size_field(one, "file_size"), bool(one.get("is_dir"))) for one in files]
