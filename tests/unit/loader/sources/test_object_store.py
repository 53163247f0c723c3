"""URIs and settings of the clients of S3, GCS and Azure. The stores themselves are tested in tests/loader."""

from pathlib import Path
from typing import Any

import pytest

from model_loader.errors import LoaderError
from model_loader.request import Request
from model_loader.sources import is_azure_url
from model_loader.sources.object_store import (
    _parse_bucket_and_prefix,
    build_azure_config,
    build_gcs_config,
    build_s3_config,
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
