"""MLflow's registry: versions and aliases, artifacts on S3 and handed out."""

from pathlib import Path

import pytest

from tests.environment.stores.mlflow import Tracking
from tests.environment.stores.serving import Store, write
from tests.environment.stores.web import Web, endless
from tests.loader.conftest import Loader


@pytest.fixture(scope="module")
def registered(tracking: Tracking, s3_store: tuple[Store, Path]) -> dict[str, str]:
    """Two versions on S3, and what a loader needs to know."""
    write(s3_store[1], {"mlflow/1/model.bin": b"one", "mlflow/2/model.bin": b"two"})
    for number in (1, 2):
        assert tracking.register("iris", f"s3://models/mlflow/{number}") == str(number)
    tracking.point("iris", "champion", "1")
    return {**s3_store[0].environment, **tracking.store.environment}


def test_a_version_is_loaded_from_where_it_lies(load: Loader, registered: dict[str, str]) -> None:
    outcome = load("models:/iris/2", registered)
    assert (outcome.code, outcome.files) == (0, {"model.bin": b"two"})
    assert outcome.report["resolvedURI"] == "models:/iris/2 (s3://models/mlflow/2)"
    assert outcome.report["resolution"] == "models:/iris/2"


def test_an_alias_that_moves_stands_for_another_version(
    load: Loader, registered: dict[str, str], tracking: Tracking
) -> None:
    first = load("models:/iris@champion", registered, key="a")
    tracking.point("iris", "champion", "2")
    second = load("models:/iris@champion", registered, key="b")
    tracking.point("iris", "champion", "1")
    assert [outcome.report["resolution"] for outcome in (first, second)] == ["models:/iris/1", "models:/iris/2"]
    assert [outcome.files["model.bin"] for outcome in (first, second)] == [b"one", b"two"]


def test_artifacts_are_handed_out_without_a_key_of_a_cloud(load: Loader, tracking: Tracking) -> None:
    files = {"MLmodel": b"flavors: {}", "data/weights.bin": bytes(range(256)) * 1000, "data/deep/er.txt": b"x"}
    version = tracking.publish("proxied", files)
    outcome = load(f"models:/proxied/{version}", tracking.store.environment)
    assert (outcome.code, outcome.files) == (0, files)
    assert outcome.report["resolvedURI"].startswith(f"models:/proxied/{version} (mlflow-artifacts:/")


@pytest.mark.parametrize(
    ("uri", "reason", "words"),
    [
        ("models:/iris/9", "ModelNotFound", "models:/iris/9 does not exist"),
        ("models:/iris@loser", "ModelNotFound", "The alias 'loser' of model 'iris' does not exist"),
        ("models:/rose/1", "ModelNotFound", "models:/rose/1 does not exist"),
        ("models:/iris", "BadURI", "write it as models:/NAME/VERSION or models:/NAME@ALIAS"),
        ("models:/iris/latest", "BadURI", "'latest' is not a version number"),
    ],
)
def test_what_is_not_registered_is_told(
    load: Loader, registered: dict[str, str], uri: str, reason: str, words: str
) -> None:
    outcome = load(uri, registered)
    assert (outcome.code, outcome.reason, outcome.files) == (1, reason, {})
    assert words in outcome.message


def test_without_a_server_the_variable_is_named(load: Loader) -> None:
    outcome = load("models:/iris/1")
    assert (outcome.reason, "MLFLOW_TRACKING_URI" in outcome.message) == ("BadURI", True)


def test_a_server_that_is_none_is_told(load: Loader, s3_store: tuple[Store, Path]) -> None:
    outcome = load("models:/iris/1", {"MLFLOW_TRACKING_URI": s3_store[0].url})
    assert outcome.code == 1
    assert outcome.reason in {"Unreachable", "AccessDenied", "ModelNotFound"}


def test_an_answer_without_an_end_is_cut(load: Loader, plain_web: Web) -> None:
    plain_web.page("/api/2.0/mlflow/model-versions/get-download-uri", endless(b" " * 65_536))
    outcome = load("models:/iris/1", {"MLFLOW_TRACKING_URI": plain_web.url})
    assert (outcome.reason, outcome.files) == ("TooLarge", {})


def test_artifacts_that_only_the_server_can_read_are_told(load: Loader, tracking: Tracking, tmp_path: Path) -> None:
    outcome = load("models:/iris/1", {**tracking.store.environment})
    assert outcome.reason in {"AccessDenied", "Unreachable"}  # the registry names S3, and nobody gave a key
    assert outcome.files == {}
    assert tmp_path.is_dir()
