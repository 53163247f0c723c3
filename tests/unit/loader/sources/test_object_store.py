"""URIs and settings of the clients of S3, GCS and Azure. The stores themselves are tested in tests/loader."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from model_loader.errors import LoaderError
from model_loader.manifest import Entry
from model_loader.request import Request
from model_loader.sources import is_azure_url
from model_loader.sources.object_store import (
    _parse_bucket_and_prefix,
    build_azure_config,
    build_gcs_config,
    build_s3_config,
    remove_directory_markers,
)

BLOB = "https://account.blob.core.windows.net/models/iris/v3"


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("s3://bucket/a/b", ("bucket", "a/b")),
        ("gs://bucket/a/", ("bucket", "a/")),
        ("az://container/a", ("container", "a")),
        ("abfss://container@account.dfs.core.windows.net/a/b", ("container", "a/b")),
        (BLOB, ("models", "iris/v3")),
        ("s3://bucket/sp%20ace/100%25%3F", ("bucket", "sp ace/100%?")),
        ("gs://bucket/a%2520b", ("bucket", "a%20b")),
        ("az://container/%C3%A9+x", ("container", "\u00e9+x")),
    ],
)
def test_uri_is_split_into_bucket_and_path(uri: str, found: tuple[str, str]) -> None:
    assert _parse_bucket_and_prefix(uri) == found


@pytest.mark.parametrize("uri", ["s3://bucket", "s3://bucket/", "s3:///a", "s3://b/a//c", "s3://b/a?x", "s3://b/./a"])
def test_uri_without_bucket_or_path_is_invalid(uri: str) -> None:
    with pytest.raises(LoaderError, match="is invalid"):
        _parse_bucket_and_prefix(uri)


@pytest.mark.parametrize("uri", [BLOB, "abfss://models@account.dfs.core.windows.net/iris"])
def test_azure_account_is_read_from_the_uri(uri: str) -> None:
    config = build_azure_config({"AZURE_STORAGE_ACCOUNT_KEY": "key"}, uri)
    assert (config["account_name"], config["account_key"]) == ("account", "key")


def test_azure_url_is_recognized_by_its_host() -> None:
    assert is_azure_url(BLOB)
    assert not is_azure_url("https://blob.core.windows.net.example.com/models/iris")
    assert Request(uri=BLOB, target=Path("/x")).scheme == "https"


@pytest.mark.parametrize(
    ("config", "anonymous"),
    [
        (build_s3_config({}), True),
        (build_s3_config({"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s\n"}), False),
        (build_s3_config({"AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "r"}), False),
        (build_s3_config({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"}), False),
        (build_gcs_config({}), True),
        (build_gcs_config({"GOOGLE_SERVICE_ACCOUNT_KEY": '{"type": "service_account"}'}), False),
        (build_gcs_config({"MODEL_IDENTITY": "ServiceAccount"}), False),
        (build_azure_config({"AZURE_STORAGE_ACCOUNT_NAME": "a"}, "az://c/p"), True),
        (build_azure_config({"AZURE_STORAGE_ACCOUNT_NAME": "a", "AZURE_STORAGE_SAS_TOKEN": "sv=1"}, "az://c/p"), False),
        (build_azure_config({"AZURE_STORAGE_ACCOUNT": "a", "AZURE_FEDERATED_TOKEN_FILE": "/t"}, "az://c/p"), False),
    ],
)
def test_store_is_anonymous_without_credentials(config: dict[str, Any], *, anonymous: bool) -> None:
    """The identity of the node is never used: it does not belong to the author of the ModelService."""
    assert config.get("skip_signature", False) is anonymous
    assert not any(str(value).endswith("\n") for value in config.values())


KEYS = st.text(st.characters(codec="utf-8", exclude_characters="/", exclude_categories=["Cc"]), min_size=1)


@given(st.sampled_from(["s3", "gs", "az", "abfs"]), st.lists(KEYS, min_size=1, max_size=4))
def test_every_key_can_be_named(scheme: str, parts: list[str]) -> None:
    """Percent-encoded characters are decoded once."""
    assume("." not in parts)
    key = "/".join(parts)
    assert _parse_bucket_and_prefix(f"{scheme}://bucket/{quote(key)}") == ("bucket", key)


@pytest.mark.parametrize("path", ["100%", "a%2", "a%zz", "%ff", "a%0Ab", "a%00", "%2e/a", "a%2F%2Fb"])
def test_path_with_broken_encoding_is_invalid(path: str) -> None:
    with pytest.raises(LoaderError, match="is invalid"):
        _parse_bucket_and_prefix(f"s3://bucket/{path}")


def test_uri_of_a_tracking_server_is_not_decoded() -> None:
    assert _parse_bucket_and_prefix("s3://bucket/a%20b%", is_encoded=False) == ("bucket", "a%20b%")


SEGMENTS = st.lists(st.sampled_from(["a", "b", "c d"]), min_size=1, max_size=4).map("/".join)


@given(st.sets(SEGMENTS), st.sets(SEGMENTS))
def test_directory_markers_are_skipped(names: set[str], others: set[str]) -> None:
    """Of a listing with a marker for each directory the files remain, empty ones too."""
    files = [one for one in names if not any(other.startswith(f"{one}/") for other in names)]
    markers = {one[:index] for one in files for index, character in enumerate(one) if character == "/"}
    empty = [Entry(path=one, key=one, size=0) for one in files if one in others]
    full = [Entry(path=one, key=one, size=7) for one in files if one not in others]
    listed = [*(Entry(path=one, key=one, size=0) for one in markers), *empty, *full]
    assert {entry.path for entry in remove_directory_markers(listed)} == set(files)


def test_object_that_is_also_a_directory_is_kept() -> None:
    """Only an empty object is a marker; the conflict of another one is reported."""
    entries = [Entry(path="a", key="a", size=1), Entry(path="a/b", key="a/b", size=1)]
    assert remove_directory_markers(entries) == entries
