"""Registry of MLflow: versions and aliases, artifacts on S3 and proxied by the server."""

from pathlib import Path

import pytest

from tests.environment.stores.mlflow import Tracking
from tests.environment.stores.serving import Store, write
from tests.environment.stores.web import Web, endless
from tests.loader.conftest import Loader


@pytest.fixture(scope="module")
def registered(tracking: Tracking, s3_store: tuple[Store, Path]) -> dict[str, str]:
    """Environment for two versions whose artifacts are on S3."""
    write(s3_store[1], {"mlflow/1/model.bin": b"one", "mlflow/2/model.bin": b"two"})
    for number in (1, 2):
        assert tracking.register("iris", f"s3://models/mlflow/{number}") == str(number)
    tracking.point("iris", "champion", "1")
    return {**s3_store[0].environment, **tracking.store.environment}


def test_version_is_loaded_from_its_store(load: Loader, registered: dict[str, str]) -> None:
    outcome = load("models:/iris/2", registered)
    assert (outcome.code, outcome.files) == (0, {"model.bin": b"two"})
    assert outcome.report["resolvedURI"] == "models:/iris/2 (s3://models/mlflow/2)"
    assert outcome.report["resolution"] == "models:/iris/2"


def test_moved_alias_resolves_to_another_version(load: Loader, registered: dict[str, str], tracking: Tracking) -> None:
    first = load("models:/iris@champion", registered, key="a")
    tracking.point("iris", "champion", "2")
    second = load("models:/iris@champion", registered, key="b")
    tracking.point("iris", "champion", "1")
    assert [outcome.report["resolution"] for outcome in (first, second)] == ["models:/iris/1", "models:/iris/2"]
    assert [outcome.files["model.bin"] for outcome in (first, second)] == [b"one", b"two"]


def test_proxied_artifacts_need_no_store_credentials(load: Loader, tracking: Tracking) -> None:
    files = {"MLmodel": b"flavors: {}", "data/weights.bin": bytes(range(256)) * 1000, "data/deep/er.txt": b"x"}
    version = tracking.publish("proxied", files)
    outcome = load(f"models:/proxied/{version}", tracking.store.environment)
    assert (outcome.code, outcome.files) == (0, files)
    assert outcome.report["resolvedURI"].startswith(f"models:/proxied/{version} (mlflow-artifacts:/")


@pytest.mark.parametrize(
    ("uri", "reason", "text"),
    [
        ("models:/iris/9", "ModelNotFound", "models:/iris/9 does not exist"),
        ("models:/iris@loser", "ModelNotFound", "The alias 'loser' of model 'iris' does not exist"),
        ("models:/rose/1", "ModelNotFound", "models:/rose/1 does not exist"),
        ("models:/iris", "BadURI", "write it as models:/NAME/VERSION or models:/NAME@ALIAS"),
        ("models:/iris/latest", "BadURI", "'latest' is not a version number"),
    ],
)
def test_unregistered_model_is_reported(
    load: Loader, registered: dict[str, str], uri: str, reason: str, text: str
) -> None:
    outcome = load(uri, registered)
    assert (outcome.code, outcome.reason, outcome.files) == (1, reason, {})
    assert text in outcome.message


def test_missing_tracking_uri_is_reported(load: Loader) -> None:
    outcome = load("models:/iris/1")
    assert (outcome.reason, "MLFLOW_TRACKING_URI" in outcome.message) == ("BadURI", True)


def test_unexpected_server_is_reported(load: Loader, s3_store: tuple[Store, Path]) -> None:
    outcome = load("models:/iris/1", {"MLFLOW_TRACKING_URI": s3_store[0].url})
    assert outcome.code == 1
    assert outcome.reason in {"Unreachable", "AccessDenied", "ModelNotFound"}


def test_endless_response_is_stopped(load: Loader, plain_web: Web) -> None:
    plain_web.page("/api/2.0/mlflow/model-versions/get-download-uri", endless(b" " * 65_536))
    outcome = load("models:/iris/1", {"MLFLOW_TRACKING_URI": plain_web.url})
    assert (outcome.reason, outcome.files) == ("TooLarge", {})


def test_missing_store_credentials_are_reported(load: Loader, tracking: Tracking, tmp_path: Path) -> None:
    outcome = load("models:/iris/1", {**tracking.store.environment})
    assert outcome.reason in {
        "AccessDenied",
        "Unreachable",
    }  # the artifacts are on S3, and there are no credentials for it
    assert outcome.files == {}
    assert tmp_path.is_dir()
