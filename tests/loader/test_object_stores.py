"""Google Cloud Storage, Azure, and AWS with web identity over TLS."""

import datetime as dt
import os
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.environment.stores import azure, gcs, moto
from tests.environment.stores.serving import Place, Store
from tests.loader.conftest import Loader

FILES = {"iris/v3/model.bin": os.urandom(9 << 20), "iris/v3/sub/config.json": b"{}", "iris/v30/other": b"-"}
WANTED = {"model.bin": FILES["iris/v3/model.bin"], "sub/config.json": b"{}"}


AWS_KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
AWS_FILES = {"iris/v3/model.bin": b"small", "iris/v3/sub/config.json": b"{}"}
SPACED = {"sp ace/100%/a+b %20.bin": b"spaced"}
MARKERS = ("iris/v3/", "iris/v3/sub/")
"""Empty objects that web consoles and file systems create for directories."""


def quoted(files: dict[str, bytes]) -> dict[str, bytes]:
    return {quote(name): content for name, content in files.items()}


@pytest.fixture(scope="session")
def gcs_store(place: Place) -> Store:
    return gcs.start(place, FILES | SPACED | dict.fromkeys(MARKERS, b""))


@pytest.fixture(scope="session")
def azure_store(place: Place) -> Store:
    # An account with directories has a blob for each of them, without a slash.
    markers = dict.fromkeys((name.rstrip("/") for name in MARKERS), b"")
    return azure.start(place, quoted(FILES | SPACED | markers))


@pytest.fixture(scope="session")
def aws(place: Place) -> Store:
    return moto.start(place, quoted(AWS_FILES | SPACED | dict.fromkeys(MARKERS, b"")))


CONNECTS = """
import sys
from model_loader.cli import main
sys.addaudithook(lambda event, args: event == "socket.connect" and print(args[1][0], args[1][1], file=sys.stderr))
sys.exit(main([]))
"""
"""Runs the loader and prints the address of each connection."""


@pytest.mark.parametrize(("store", "scheme"), [("gcs_store", "gs"), ("azure_store", "az"), ("aws", "s3")])
def test_all_connections_go_to_the_endpoint(
    load: Loader, request: pytest.FixtureRequest, store: str, scheme: str
) -> None:
    used: Store = request.getfixturevalue(store)
    process = load.start(f"{scheme}://models/iris/v3", {**used.environment, **AWS_KEYS}, program=("-c", CONNECTS))
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert set(errors.splitlines()) == {f"127.0.0.1 {urlsplit(used.url).port}"}


@pytest.mark.parametrize(("store", "scheme"), [("gcs_store", "gs"), ("azure_store", "az"), ("aws", "s3")])
@pytest.mark.parametrize("end", ["", "/"])
def test_whole_bucket_is_loaded(
    load: Loader, request: pytest.FixtureRequest, store: str, scheme: str, end: str
) -> None:
    outcome = load(f"{scheme}://models{end}", {**request.getfixturevalue(store).environment, **AWS_KEYS})
    expected = AWS_FILES if scheme == "s3" else FILES
    assert (outcome.code, outcome.files) == (0, {**expected, **SPACED}), outcome.log


@pytest.mark.parametrize(
    ("store", "scheme", "key"),
    [("gcs_store", "gs", "a"), ("azure_store", "az", "a"), ("aws", "s3", "a"), ("aws", "s3", "")],
)
def test_any_key_can_be_named(load: Loader, request: pytest.FixtureRequest, store: str, scheme: str, key: str) -> None:
    """The path of a directory or an object may contain spaces and percent signs."""
    environment = dict(request.getfixturevalue(store).environment)
    environment |= AWS_KEYS
    uri = f"{scheme}://models/sp%20ace/100%25" + ("/a+b%20%2520.bin" if key else "")
    outcome = load(uri, environment)
    assert (outcome.code, outcome.files) == (0, {"a+b %20.bin": b"spaced"}), outcome.log


def test_gcs_is_read_anonymously(load: Loader, gcs_store: Store) -> None:
    outcome = load("gs://models/iris/v3", gcs_store.environment)
    assert (outcome.code, outcome.files) == (0, WANTED), outcome.log
    assert load("gs://models/iris/v3/model.bin", gcs_store.environment, key="one").files == {
        "model.bin": WANTED["model.bin"]
    }
    assert load("gs://models/none", gcs_store.environment, key="none").reason == "ModelNotFound"


def test_invalid_google_key_is_reported(load: Loader, gcs_store: Store) -> None:
    outcome = load("gs://models/iris/v3", gcs_store.but(GOOGLE_SERVICE_ACCOUNT_KEY='{"type": "canary"'))
    assert outcome.reason == "InvalidCredentials"
    assert "canary" not in outcome.log


@pytest.mark.parametrize("scheme", ["az", "abfs"])
def test_azure_is_read_with_an_account_key(load: Loader, azure_store: Store, scheme: str) -> None:
    outcome = load(f"{scheme}://models/iris/v3", azure_store.environment)
    assert (outcome.code, outcome.files) == (0, WANTED), outcome.log


AZURE = {
    "signature": ({"AZURE_STORAGE_ACCOUNT_KEY": None, "AZURE_STORAGE_SAS_TOKEN": "right"}, None),
    "expired": ({"AZURE_STORAGE_ACCOUNT_KEY": None, "AZURE_STORAGE_SAS_TOKEN": "expired"}, "InvalidCredentials"),
    "wrong key": ({"AZURE_STORAGE_ACCOUNT_KEY": "d3Jvbmctd3Jvbmctd3Jvbmc="}, "InvalidCredentials"),
    "no key": ({"AZURE_STORAGE_ACCOUNT_KEY": "!canary!"}, "InvalidCredentials"),
    "anonymous": ({"AZURE_STORAGE_ACCOUNT_KEY": None}, "AccessDenied"),
}


@pytest.mark.parametrize(("changes", "reason"), AZURE.values(), ids=AZURE)
def test_azure_credentials(
    load: Loader, azure_store: Store, changes: dict[str, str | None], reason: str | None
) -> None:
    tokens = {"right": azure.signature(), "expired": azure.signature(lasts=-dt.timedelta(hours=1))}
    given = {name: tokens.get(value or "", value) for name, value in changes.items()}
    outcome = load("az://models/iris/v3", azure_store.but(**given))
    if reason is None:
        assert (outcome.code, outcome.files) == (0, WANTED), outcome.log
        return
    assert outcome.code == 1
    assert outcome.files == {}
    assert outcome.reason in {reason, "AccessDenied", "ModelNotFound"} if reason == "AccessDenied" else {reason}
    assert "sig=" not in outcome.log
    assert "canary" not in outcome.log


def test_azure_without_an_account_is_reported(load: Loader) -> None:
    outcome = load("az://models/iris/v3")
    assert (outcome.reason, "AZURE_STORAGE_ACCOUNT_NAME" in outcome.message) == ("BadURI", True)


def test_s3_is_read_with_web_identity(load: Loader, aws: Store, tmp_path: Path) -> None:
    """Web identity (EKS): a token of the cluster is exchanged for keys that expire after an hour, over TLS."""
    token = tmp_path / "token"
    token.write_text("header.payload.signature\n")
    identity = {"AWS_ROLE_ARN": moto.ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ENDPOINT_URL_STS": aws.url}
    outcome = load("s3://models/iris/v3", {**aws.environment, **identity})
    assert (outcome.code, outcome.files) == (0, {"model.bin": b"small", "sub/config.json": b"{}"}), outcome.log


def test_store_certificate_is_verified(load: Loader, aws: Store) -> None:
    outcome = load("s3://models/iris/v3", aws.but(SSL_CERT_FILE=None))
    assert (outcome.code, outcome.reason) == (1, "Unreachable")
