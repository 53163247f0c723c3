"""Whatever a store responds, the loader ends with a LoaderError and a sentence, never with another exception."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_loader.errors import LoaderError
from model_loader.http_client import HttpClient
from model_loader.pipeline import select_files
from model_loader.report import Report
from model_loader.request import Limits, Request
from model_loader.sources import huggingface, mlflow, oci, open_source
from model_loader.text import decode_json
from tests.environment.stores.web import Handler, Web, serving
from tests.support.hostile_text import HOSTILE_TEXTS

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | HOSTILE_TEXTS
VALUES = SCALARS | st.sampled_from([10**30, -1, 1e999, [], {}, [None], {"path": None}, "\ud800"])
NAMES = (
    *("sha", "id", "siblings", "rfilename", "size", "lfs", "sha256", "blobId", "gated"),
    *(
        "model_version",
        "model_versions",
        "run",
        "info",
        "model",
        "models",
        "model_id",
        "status",
        "version",
        "artifact_uri",
        "files",
        "path",
        "is_dir",
        "file_size",
        "error_code",
    ),
    *("layers", "digest", "annotations", "org.opencontainers.image.title", "token", "access_token"),
)
JSON = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)
VALID: dict[str, Any] = {
    "id": "org/iris",
    "sha": "0" * 40,
    "siblings": [
        {"rfilename": "a", "size": 1, "blobId": "b", "lfs": {"size": 1, "sha256": "0" * 64, "pointerSize": 1}}
    ],
    "lastModified": "2026-01-01T00:00:00.000Z",
    "gated": False,
    "model_version": {"version": "3"},
    "model_versions": [{"version": "3"}],
    "run": {"info": {"artifact_uri": "s3://models/iris", "experiment_id": "0"}},
    "model": {"info": {"model_id": "m-0", "artifact_uri": "mlflow-artifacts:/0", "status": "LOGGED_MODEL_READY"}},
    "models": [{"info": {"model_id": "m-0", "artifact_uri": "mlflow-artifacts:/0", "source_run_id": "0"}}],
    "artifact_uri": "mlflow-artifacts:/1/a",
    "files": [{"path": "a", "is_dir": False, "file_size": 1}],
    "layers": [{"digest": f"sha256:{'0' * 64}", "size": 1, "annotations": {"org.opencontainers.image.title": "a"}}],
    "token": "t",
    "error_code": "NOT_FOUND",
}


def positions(value: Any, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    yield path
    for name, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from positions(inner, *path, name)


def replaced(value: Any, path: tuple[str | int, ...], other: Any) -> Any:
    if not path:
        return other
    copy = value.copy()
    copy[path[0]] = replaced(copy[path[0]], path[1:], other)
    return copy


DAMAGED = st.builds(partial(replaced, VALID), st.sampled_from(list(positions(VALID))), JSON)
"""A valid response with one of its values replaced."""
RESPONSES = (JSON | DAMAGED).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20)


@given(RESPONSES)
def test_any_response_is_parsed_or_refused(body: bytes) -> None:
    with suppress(LoaderError):
        assert all(entry.size is not None for entry in oci.parse_manifest(body, "x", is_archive=False))
    with suppress(LoaderError):
        assert str(oci.choose_manifest(body, "x", "x86_64")).startswith(("sha256:", "None"))
    with suppress(LoaderError):
        assert oci.parse_token(body, "x")
    with suppress(LoaderError):
        assert all(entry.path for entry in huggingface.parse_repository(body, "x").entries)
    try:
        answer = decode_json(body)
    except (ValueError, RecursionError):
        return
    for parse in (mlflow.parse_latest_version, mlflow.parse_run, mlflow.parse_logged_model, mlflow.parse_logged_models):
        with suppress(ValueError):
            parse(answer)
    with suppress(ValueError):
        assert mlflow.parse_alias(answer).isdecimal()
    with suppress(ValueError):
        urlsplit(mlflow.parse_artifact_uri(answer))
    with suppress(ValueError):
        assert all(isinstance(found.name, str) for found in mlflow.parse_artifacts(answer))


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("web"), tls=False) as web:
        yield web


class Pages(dict[str, Callable[[Handler], None]]):
    """The same response on every path."""

    def __init__(self, answer: Callable[[Handler], None]) -> None:
        self._answer = answer

    def get(self, *_: Any) -> Callable[[Handler], None]:
        return self._answer


def build_request(web: Web, uri: str) -> Request:
    return Request(
        uri=uri,
        target=Path("x"),
        limits=Limits(timeout_seconds=0.01, max_files=5),  # so that nothing is repeated
        allowed_networks=(ip_network("127.0.0.0/8"),),
        environment={
            "HF_ENDPOINT": web.url,
            "MLFLOW_TRACKING_URI": web.url,
            "AWS_ENDPOINT_URL": web.url,
            "OCI_PLAIN_HTTP": "true",
        },
    )


def load(web: Web, uri: str) -> None:
    """List a model as the loader does, up to its report; raise whatever is not a LoaderError."""
    request = build_request(web, uri)
    try:
        with closing(open_source(request)) as source:
            listing = select_files(source.list_files(), request)
        message = f"{listing.resolved_uri} {listing.resolution} {listing.size}"
    except LoaderError as error:
        message = error.message
        assert message.rstrip().endswith((".", "`"))
    Report(reason="Resolved", message=message, uri=uri).to_json_line(str).encode()


URIS = (
    *("hf://org/iris", "models:/iris@champion", "models:/iris/3", "models:/iris/latest", "models:/m-0", "runs:/0/a"),
    *("oci+artifact://HOST/iris:v1", "s3://models/iris"),
)


@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("uri", URIS)
@given(body=RESPONSES, status=st.sampled_from([200, 200, 200, 400, 404]))
def test_any_response_ends_with_a_sentence(web: Web, uri: str, body: bytes, status: int) -> None:
    web.server.pages = Pages(lambda handler: handler.answer(status, body, Content_Type="application/json"))
    load(web, uri.replace("HOST", urlsplit(web.url).netloc))


PARTS = st.sampled_from(
    [
        *("https://", "http://", "//", "/", "\\", "[", "]", "@", ":", "?", "#", "%", "%zz", " ", "\t", "..", ":99999"),
        *(
            "localhost",
            "127.0.0.1",
            "xn--",
            "xn--a",
            "\u00e9",
            "\u00ad",
            "a" * 64,
            ".",
            "*",
            "0x7f.1",
            "[::1]",
            ":abc",
            ":0",
        ),
    ]
)
LOCATIONS = st.lists(PARTS, max_size=5).map("".join) | st.text(
    st.characters(max_codepoint=255, exclude_characters="\r\n")
)


@pytest.fixture(scope="module")
def http(web: Web) -> Iterator[HttpClient]:
    with closing(HttpClient(build_request(web, "s3://a/b"))) as http:
        yield http


@settings(max_examples=100, deadline=None)
@given(location=LOCATIONS, status=st.sampled_from([301, 302, 303, 307, 308]))
def test_any_location_is_followed_or_refused(web: Web, http: HttpClient, location: str, status: int) -> None:
    def answer(handler: Handler) -> None:
        if handler.path == "/start":
            handler.answer(status, Location=location.encode("utf-8").decode("latin-1"))
        else:
            handler.answer(200)

    web.server.pages = Pages(answer)
    with suppress(LoaderError), http.get(f"{web.url}/start") as response:
        assert response.status in {200, status}


@given(LOCATIONS)
def test_any_uri_is_accepted_or_refused(rest: str) -> None:
    for scheme in ("https", "s3", "gs", "az", "abfs", "hf", "models", "runs", "oci+artifact"):
        for uri in (f"{scheme}://{rest}", f"{scheme}:/{rest}"):
            with suppress(LoaderError):
                assert Request(uri=uri, target=Path("x")).scheme == scheme


INVALID_URIS = (
    "https://[bad/x",
    "https://host:abc/x",
    "https://host:99999/x",
    "https://xn--\u00e9.example/x",
    "https://./x",
)


@pytest.mark.parametrize("uri", INVALID_URIS)
def test_invalid_uri_ends_with_a_sentence(web: Web, uri: str) -> None:
    with pytest.raises(LoaderError), closing(open_source(build_request(web, uri))) as source:
        source.list_files()


@pytest.mark.parametrize("uri", ["https://localhost/x", "hf://org/iris"])
@pytest.mark.parametrize("token", ["to\u212aen", "a\nb", "\udcff", "a\x00b"])
def test_token_that_no_header_can_carry(uri: str, token: str) -> None:
    environment = {"HTTP_BEARER_TOKEN": token, "HF_TOKEN": token, "HF_ENDPOINT": "https://localhost"}
    request = Request(uri=uri, target=Path("x"), environment=environment)
    with (
        pytest.raises(LoaderError, match=r"Check the Secret of model\.credentials") as error,
        closing(open_source(request)) as source,
    ):
        source.list_files()
    assert error.value.reason == "InvalidCredentials"
