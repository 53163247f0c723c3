"""Servers that compress although identity was requested: a small response must not grow in memory (I12)."""

import gzip
import hashlib
import json
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.environment.stores.web import Handler, Web, whole
from tests.loader.conftest import Loader

PADDING = b" " * (150 << 20)
"""White space after JSON is valid: a padded response means the same."""
MAX_PEAK_BYTES = 160 << 20
ENCODE: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": lambda text: gzip.compress(text + PADDING, compresslevel=1),
    "deflate": lambda text: zlib.compress(text + PADDING, level=1),
    "br": lambda text: text,  # no client of the loader decodes it: the label is what counts
}
PROGRAM = """
import sys
from pathlib import Path
from model_loader.cli import main
code = main([])
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(status["VmHWM"].split()[0], end="", file=sys.stderr)
sys.exit(code)
"""
"""Runs the loader and prints its peak memory in KiB; resource.getrusage would count that of pytest as well."""


@dataclass(frozen=True)
class Source:
    """A source with one response that is encoded."""

    uri: str
    """With {host} for the address of the server."""
    encoded: str
    """Path of the response that is encoded."""
    pages: Mapping[str, bytes]
    environment: Mapping[str, str]
    """Values with {url} for the URL of the server."""


MODEL = b"weights"
MLFLOW = {"MLFLOW_TRACKING_URI": "{url}"}
MLFLOW_PAGES = {
    "/api/2.0/mlflow/registered-models/alias": json.dumps({"model_version": {"version": "1"}}).encode(),
    "/api/2.0/mlflow/model-versions/get-download-uri": json.dumps({"artifact_uri": "mlflow-artifacts:/0/run"}).encode(),
    "/api/2.0/mlflow-artifacts/artifacts": json.dumps({"files": [{"path": "a", "file_size": len(MODEL)}]}).encode(),
    "/api/2.0/mlflow-artifacts/artifacts/0/run/a": MODEL,
}
SHA = "0123456789abcdef0123456789abcdef01234567"
HUB_PAGES = {
    "/api/models/org/iris/revision/main": json.dumps(
        {"id": "org/iris", "sha": SHA, "siblings": [{"rfilename": "a", "size": len(MODEL)}]}
    ).encode(),
    f"/org/iris/resolve/{SHA}/a": MODEL,
}
DIGEST = "sha256:9b5e0e1f9a5a1a63b4a3d2f0f0f1d0b3cf0b8f4c4f1a9f4a5e8f0b3f0a1c2d3e"
OCI_PAGES = {
    "/v2/team/iris/manifests/v3": json.dumps(
        {
            "layers": [
                {"digest": DIGEST, "size": len(MODEL), "annotations": {"org.opencontainers.image.title": "a"}},
            ]
        }
    ).encode(),
    "/token": json.dumps({"token": "token-of-the-tests"}).encode(),
}
OCI = {"OCI_PLAIN_HTTP": "true"}

SOURCES = {
    "https file": Source("{url}/model.bin", "/model.bin", {"/model.bin": MODEL}, {}),
    "huggingface listing": Source("hf://org/iris", next(iter(HUB_PAGES)), HUB_PAGES, {"HF_ENDPOINT": "{url}"}),
    "huggingface file": Source("hf://org/iris", f"/org/iris/resolve/{SHA}/a", HUB_PAGES, {"HF_ENDPOINT": "{url}"}),
    "mlflow alias": Source("models:/iris@champion", "/api/2.0/mlflow/registered-models/alias", MLFLOW_PAGES, MLFLOW),
    "mlflow version": Source("models:/iris/1", "/api/2.0/mlflow/model-versions/get-download-uri", MLFLOW_PAGES, MLFLOW),
    "mlflow listing": Source("models:/iris/1", "/api/2.0/mlflow-artifacts/artifacts", MLFLOW_PAGES, MLFLOW),
    "mlflow file": Source("models:/iris/1", "/api/2.0/mlflow-artifacts/artifacts/0/run/a", MLFLOW_PAGES, MLFLOW),
    "oci manifest": Source("oci+artifact://{host}/team/iris:v3", "/v2/team/iris/manifests/v3", OCI_PAGES, OCI),
    "oci token": Source("oci+artifact://{host}/team/iris:v3", "/token", OCI_PAGES, OCI),
}
METADATA = {name: source for name, source in SOURCES.items() if not name.endswith(" file")}


def serve(
    web: Web, source: Source, *, encode: Callable[[bytes], bytes], label: str | None
) -> tuple[str, dict[str, str]]:
    """Serve a source and return its URI and environment. The registry requires a token if the token is encoded."""
    for path, body in source.pages.items():
        web.page(path, whole(body))
    headers = {"Content_Encoding": label} if label else {}
    body = encode(source.pages[source.encoded])
    web.page(source.encoded, lambda handler: handler.answer(200, body, **headers))
    if source.encoded == "/token":
        manifest = whole(OCI_PAGES["/v2/team/iris/manifests/v3"])

        def challenge(handler: Handler) -> None:
            if "Authorization" in handler.headers:
                manifest(handler)
            else:
                handler.answer(401, WWW_Authenticate=f'Bearer realm="{web.url}/token",service="tests"')

        web.page("/v2/team/iris/manifests/v3", challenge)
    fill = {"url": web.url, "host": web.url.removeprefix("http://")}
    environment = {name: value.format(**fill) for name, value in source.environment.items()}
    return source.uri.format(**fill), environment


def run(load: Loader, uri: str, environment: Mapping[str, str], **more: str) -> tuple[dict[str, Any], int]:
    """Run the loader to its end; return its report and its peak memory in bytes."""
    process = load.start(uri, environment, program=("-c", PROGRAM), **more)
    output, errors = process.communicate(timeout=120)
    assert errors.isdecimal(), errors
    return json.loads(output.splitlines()[-1]), int(errors) << 10


@pytest.mark.parametrize("coding", ENCODE)
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_encoded_response_is_refused(load: Loader, plain_web: Web, source: Source, coding: str) -> None:
    uri, environment = serve(plain_web, source, encode=ENCODE[coding], label=coding)
    report, peak = run(load, uri, environment)
    assert (report["reason"], coding in report["message"]) == ("Unreachable", True), report
    assert "Content-Encoding" in report["message"]
    assert peak < MAX_PEAK_BYTES
    assert not (load.volume / "model").exists()


@pytest.mark.parametrize("source", METADATA.values(), ids=METADATA)
def test_oversized_metadata_is_refused(load: Loader, plain_web: Web, source: Source) -> None:
    uri, environment = serve(plain_web, source, encode=lambda text: text + PADDING, label=None)
    report, peak = run(load, uri, environment)
    assert (report["reason"], "32 MiB" in report["message"]) == ("TooLarge", True), report
    assert peak < MAX_PEAK_BYTES


def test_identity_label_is_accepted(load: Loader, plain_web: Web) -> None:
    uri, environment = serve(plain_web, SOURCES["huggingface listing"], encode=bytes, label="Identity")
    report, _ = run(load, uri, environment)
    assert report["reason"] == "Loaded", report


@pytest.mark.parametrize("name", ["model.tar.gz", "model.tgz"])
def test_compressed_file_may_be_labelled_as_encoded(load: Loader, plain_web: Web, name: str) -> None:
    """Apache's AddEncoding labels such a file with its own compression: the file are the bytes as they are sent."""
    content = gzip.compress(MODEL)
    url = plain_web.page(f"/{name}", lambda handler: handler.answer(200, content, Content_Encoding="x-gzip"))
    assert load(url).files == {name: content}


STORES = {
    "s3": ("s3://models/iris", "AWS_ENDPOINT_URL"),
    "gs": ("gs://models/iris", "STORAGE_EMULATOR_HOST"),
    "az": ("az://models/iris", "AZURE_STORAGE_ENDPOINT"),
}


@pytest.mark.parametrize(("uri", "variable"), STORES.values(), ids=STORES)
def test_object_store_never_decodes_a_listing(load: Loader, plain_web: Web, uri: str, variable: str) -> None:
    body = ENCODE["gzip"](b"")
    for listing in ("/models", "/models/", "/storage/v1/b/models/o"):
        plain_web.page(listing, lambda handler: handler.answer(200, body, Content_Encoding="gzip"))
    report, peak = run(load, uri, {variable: plain_web.url, "AZURE_STORAGE_ACCOUNT_NAME": "tests"})
    assert report["reason"] == "Unreachable", report
    assert peak < MAX_PEAK_BYTES


def serve_transcoded(web: Web, name: str, content: bytes) -> tuple[str, dict[str, str]]:
    """Serve an object that is stored with Content-Encoding gzip, as Google does; return its URI and the environment.

    It is decompressed, without a length and ranges, for a client that does not accept gzip
    (https://cloud.google.com/storage/docs/transcoding).
    """
    stored = gzip.compress(content)
    md5 = b64encode(hashlib.md5(stored, usedforsecurity=False).digest()).decode()
    item = {"name": f"iris/{name}", "size": str(len(stored)), "generation": "1", "md5Hash": md5}
    labels = {"x_goog_generation": "1", "x_goog_stored_content_encoding": "gzip"}

    def answer(handler: Handler) -> None:
        if "gzip" in handler.headers.get("Accept-Encoding", ""):
            handler.answer(200, stored, Content_Encoding="gzip", **labels)
        else:
            handler.answer(200, content, Warning="214 UploadServer gunzipped", **labels)

    web.page("/storage/v1/b/models/o", whole(json.dumps({"items": [item]}).encode()))
    web.page(f"/storage/v1/b/models/o/iris%2F{name}", answer)
    return "gs://models/iris", {"STORAGE_EMULATOR_HOST": web.url}


def test_gzip_object_of_google_is_refused_with_the_cause(load: Loader, plain_web: Web) -> None:
    outcome = load(*serve_transcoded(plain_web, "model.json", b'{"weights": 1}'))
    assert (outcome.reason, outcome.files) == ("UnsupportedKey", {}), outcome.log
    assert outcome.message.startswith("gs://models/iris/model.json is stored with Content-Encoding 'gzip'")
    assert "Upload it without compression" in outcome.message


def test_gzip_object_of_google_with_its_name_is_stored(load: Loader, plain_web: Web) -> None:
    """Some tools label each .tar.gz so. Its name says what the stored bytes are."""
    outcome = load(*serve_transcoded(plain_web, "model.tar.gz", b"weights" * 1000))
    assert (outcome.code, outcome.report["verified"]) == (0, ["md5"]), outcome.log
    assert gzip.decompress(outcome.files["model.tar.gz"]) == b"weights" * 1000
