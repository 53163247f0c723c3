"""S3: prefixes and objects, all kinds of credentials, and buckets with problems."""

import os
from pathlib import Path

import pytest

from tests.environment.stores import s3
from tests.environment.stores.serving import Store, write
from tests.environment.stores.web import Web
from tests.loader.conftest import Loader

LARGE = os.urandom(20 << 20)
"""Larger than one part of a download."""


@pytest.fixture(scope="module")
def bucket(s3_store: tuple[Store, Path]) -> Path:
    bucket = s3_store[1]
    write(
        bucket,
        {
            "iris/v3/model.bin": b"weights",
            "iris/v3/tokenizer/vocab.txt": b"words",
            "iris/v3/README.md": b"read me",
            "iris/v30/model.bin": b"another",
            "large/model.bin": LARGE,
            "large/config.json": b"{}",
            "spaced/a model.bin": b"s",
        },
    )
    (bucket / "empty").mkdir()
    return bucket


@pytest.fixture
def store(s3_store: tuple[Store, Path], bucket: Path) -> Store:
    assert bucket.is_dir()
    return s3_store[0]


def test_prefix_is_downloaded(load: Loader, store: Store) -> None:
    outcome = load("s3://models/iris/v3", store.environment)
    files = {"model.bin": b"weights", "tokenizer/vocab.txt": b"words", "README.md": b"read me"}
    assert (outcome.code, outcome.files) == (0, files)
    assert load("s3://models/iris/v3/", store.environment, key="slash").files == files
    assert load("s3://models/iris/v3", store.environment).reason == "Cached"


def test_patterns_select_files(load: Loader, store: Store) -> None:
    patterns = {"ignore_patterns": "*.md\nother", "allow_patterns": "model*\n*.md"}
    chosen = load("s3://models/iris/v3", store.environment, **patterns)
    assert set(chosen.files) == {"model.bin"}
    nothing = load("s3://models/iris/v3", store.environment, key="none", allow_patterns="*.onnx")
    assert nothing.reason == "ModelNotFound"
    assert "allowPatterns" in nothing.message


ODD_KEYS = ("a b/c+d%20e&f=g;h", "\u00e9/e\u0301", "~-_.!*'()", "q?r#s:t@u$v,w", "\U0001f600", '<&>"')
"""Keys that URLs, signatures and XML encode differently."""


def test_odd_keys_are_loaded(load: Loader, store: Store, bucket: Path) -> None:
    files = {f"{number}/{key}": b"content" for number, key in enumerate(ODD_KEYS)}
    write(bucket, {f"odd/{key}": content for key, content in files.items()})
    outcome = load("s3://models/odd", store.environment)
    assert (outcome.code, outcome.files) == (0, files), outcome.log


def test_single_object_is_downloaded(load: Loader, store: Store) -> None:
    assert load("s3://models/iris/v3/model.bin", store.environment, key="a").files == {"model.bin": b"weights"}


def test_large_object_is_downloaded_in_parts(load: Loader, store: Store) -> None:
    assert load("s3://models/large", store.environment).files == {"model.bin": LARGE, "config.json": b"{}"}


@pytest.mark.parametrize("uri", ["s3://models/iris/v9", "s3://models/empty", "s3://no-such-bucket/iris"])
def test_missing_model_is_reported(load: Loader, store: Store, uri: str) -> None:
    outcome = load(uri, store.environment)
    assert (outcome.code, outcome.reason, outcome.files) == (1, "ModelNotFound", {})
    assert uri in outcome.message


CREDENTIALS = {
    "wrong secret": ({"AWS_SECRET_ACCESS_KEY": "wrong-secret-canary"}, "InvalidCredentials"),
    "unknown key": ({"AWS_ACCESS_KEY_ID": "UNKNOWNKEY"}, "InvalidCredentials"),
    "no rights": (
        {"AWS_ACCESS_KEY_ID": s3.STRANGER_KEY, "AWS_SECRET_ACCESS_KEY": s3.STRANGER_SECRET},
        "AccessDenied",
    ),
    "none": ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "AccessDenied"),
}


@pytest.mark.parametrize(("changes", "reason"), CREDENTIALS.values(), ids=CREDENTIALS)
def test_invalid_credentials_are_reported(
    load: Loader, store: Store, changes: dict[str, str | None], reason: str
) -> None:
    outcome = load("s3://models/iris/v3", store.but(**changes))
    assert (outcome.code, outcome.reason, outcome.files) == (1, reason, {})
    assert "s3://models/iris/v3" in outcome.message
    assert "model.credentials" in outcome.message
    assert "canary" not in outcome.log


def test_line_break_after_a_key_is_ignored(load: Loader, store: Store) -> None:
    assert load("s3://models/iris/v3", store.but(AWS_SECRET_ACCESS_KEY=f"{s3.SECRET}\n")).reason == "Loaded"


def test_token_that_is_not_accepted_is_reported(load: Loader, store: Store, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("not-a-token\n")
    identity = store.but(
        AWS_ACCESS_KEY_ID=None,
        AWS_SECRET_ACCESS_KEY=None,
        AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token"),
        AWS_ROLE_ARN="arn:aws:iam::123456789012:role/reader",
        AWS_ENDPOINT_URL_STS=store.url,
    )
    outcome = load("s3://models/iris/v3", identity)
    assert outcome.code == 1
    assert outcome.reason in {"InvalidCredentials", "AccessDenied", "Unreachable"}


def test_proxy_variables_are_ignored(load: Loader, store: Store, plain_web: Web) -> None:
    plain_web.asked.clear()
    proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY", "http_proxy"), plain_web.url)
    assert load("s3://models/iris/v3", {**store.environment, **proxies}).reason == "Loaded"
    assert plain_web.asked == []


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("http://169.254.169.254", "link-local, a metadata service"),
        ("http://10.0.0.1:9000", "it is private"),
        ("ftp://127.0.0.1", "is not an http(s) URL"),
        ("http://0x7f000001:9000", "unusual way to write an address"),
        ("https://127.0.0.1:1", "cannot be reached"),
    ],
)
def test_endpoint_is_checked_before_use(load: Loader, store: Store, endpoint: str, text: str) -> None:
    outcome = load("s3://models/iris/v3", store.but(AWS_ENDPOINT_URL=endpoint))
    assert outcome.code == 1
    assert text in outcome.message


def test_plain_http_requires_an_allowed_range(load: Loader, store: Store) -> None:
    outcome = load("s3://models/iris/v3", store.environment, allowed_cidrs="192.168.0.0/16")
    assert "is refused: it is loopback" in outcome.message


def test_listing_stops_at_the_file_limit(load: Loader, store: Store, bucket: Path) -> None:
    write(bucket, {f"many/{number:04}": b"" for number in range(1200)})
    outcome = load("s3://models/many", store.environment, max_files="10")
    assert (outcome.reason, outcome.files) == ("TooLarge", {})


def test_modified_model_has_another_resolution(load: Loader, store: Store, bucket: Path) -> None:
    write(bucket, {"moving/model.bin": b"one"})
    first = load("s3://models/moving", store.environment, key="one")
    write(bucket, {"moving/model.bin": b"two!"})
    second = load("s3://models/moving", store.environment, key="two")
    assert first.report["resolution"] != second.report["resolution"]
    # The published resolution is used without a request to the store; another one is downloaded.
    cached = load("s3://models/moving", store.environment, key="one", resolution=first.report["resolution"])
    assert (cached.reason, cached.files) == ("Cached", {"model.bin": b"one"})
    replaced = load("s3://models/moving", store.environment, key="one", resolution=second.report["resolution"])
    assert (replaced.reason, replaced.files) == ("Loaded", {"model.bin": b"two!"})
