"""MLflow: versions, aliases, stages, logged models and runs; artifacts on S3 and proxied by the server."""

import json
from pathlib import Path
from urllib.parse import quote

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


NAMES = ("wein güte", "rot+weiß", "100%", "a&b=c?", "it's")


@pytest.mark.parametrize("name", NAMES)
def test_names_with_special_characters_are_decoded_once(load: Loader, tracking: Tracking, name: str) -> None:
    files = {"MLmodel": name.encode(), "daten +ü.txt": b"x"}
    tracking.point(name, "champion", tracking.publish(name, files))
    for index, form in enumerate(("{}/1", "{}@champion", "{}/latest")):
        uri = f"models:/{form.format(quote(name, safe='+'))}"
        outcome = load(uri, tracking.store.environment, key=str(index))
        assert (outcome.code, outcome.files) == (0, files), outcome.log
        assert outcome.report["resolution"] == f"models:/{name}/1"


def test_latest_version_is_the_highest(load: Loader, registered: dict[str, str]) -> None:
    for uri in ("models:/iris/latest", "models:/iris/Latest"):
        outcome = load(uri, registered, key=uri[-6:])
        assert (outcome.files, outcome.report["resolution"]) == ({"model.bin": b"two"}, "models:/iris/2")


def test_stage_is_resolved_to_its_version(load: Loader, registered: dict[str, str], tracking: Tracking) -> None:
    tracking.move_to_stage("iris", "1", "Production")
    for stage in ("Production", "production"):
        outcome = load(f"models:/iris/{stage}", registered, key=stage)
        assert (outcome.files, outcome.report["resolution"]) == ({"model.bin": b"one"}, "models:/iris/1")
    empty = load("models:/iris/Staging", registered)
    assert (empty.reason, empty.files) == ("ModelNotFound", {})
    assert "Aliases have replaced stages: set the alias 'staging' on a version" in empty.message
    assert "write models:/iris@staging." in empty.message


FILES = {"MLmodel": b"flavors: {}", "data/weights.bin": bytes(range(256)) * 1000, "data/deep/er.txt": b"x"}


def test_artifacts_of_a_run_are_loaded(load: Loader, tracking: Tracking) -> None:
    run, _ = tracking.log(FILES, path="path/to my/model")
    outcome = load(f"runs:/{run}/path/to%20my/model", tracking.store.environment)
    assert (outcome.code, outcome.files) == (0, FILES), outcome.log
    assert outcome.report["resolvedURI"].startswith(f"runs:/{run}/path/to my/model (mlflow-artifacts:/0/{run}/")


def test_all_artifacts_of_a_run_are_loaded(load: Loader, tracking: Tracking) -> None:
    run, _ = tracking.log({"MLmodel": b"x"})
    assert load(f"runs:/{run}", tracking.store.environment).files == {"model/MLmodel": b"x"}


def test_single_file_of_a_run_is_loaded(load: Loader, tracking: Tracking) -> None:
    run, _ = tracking.log(FILES)
    outcome = load(f"runs:/{run}/model/data/deep/er.txt", tracking.store.environment)
    assert outcome.files == {"er.txt": b"x"}


def test_changed_artifacts_of_a_run_are_another_resolution(load: Loader, tracking: Tracking) -> None:
    run, artifacts = tracking.log({"a": b"1"})
    first = load(f"runs:/{run}/model", tracking.store.environment, key="a")
    tracking.upload(f"{artifacts}/model", {"b": b"22"})
    second = load(f"runs:/{run}/model", tracking.store.environment, key="b")
    assert first.report["resolution"] != second.report["resolution"]


def test_logged_model_is_loaded_by_its_id(load: Loader, tracking: Tracking) -> None:
    model = tracking.log_model("iris", FILES)
    outcome = load(f"models:/{model}", tracking.store.environment)
    assert (outcome.code, outcome.files) == (0, FILES), outcome.log
    assert outcome.report["resolution"] == f"models:/{model}"


def test_logged_model_is_loaded_by_its_run(load: Loader, tracking: Tracking) -> None:
    """MLflow 3 stores a model that a run logs apart from the artifacts of the run."""
    run, _ = tracking.log({"notes.txt": b"x"}, path="other")
    tracking.log_model("iris", {"MLmodel": b"of another run"})
    model = tracking.log_model("iris", FILES, run=run)
    outcome = load(f"runs:/{run}/iris", tracking.store.environment, key="a")
    assert (outcome.code, outcome.files) == (0, FILES), outcome.log
    assert outcome.report["resolution"] == f"models:/{model}"
    below = load(f"runs:/{run}/iris/data", tracking.store.environment, key="b")
    assert below.files == {"weights.bin": FILES["data/weights.bin"], "deep/er.txt": b"x"}


def test_registered_logged_model_is_loaded(load: Loader, tracking: Tracking) -> None:
    """The source of such a version is a URI of MLflow again."""
    model = tracking.log_model("rose", FILES)
    version = tracking.register("logged rose", f"models:/{model}", model=model)
    outcome = load(f"models:/logged%20rose/{version}", tracking.store.environment)
    assert (outcome.code, outcome.files) == (0, FILES), outcome.log


def test_incomplete_logged_model_is_reported(load: Loader, tracking: Tracking) -> None:
    model = tracking.log_model("iris", FILES, is_ready=False)
    outcome = load(f"models:/{model}", tracking.store.environment)
    assert (outcome.reason, outcome.files) == ("ModelNotFound", {})
    assert "is not complete: its status is LOGGED_MODEL_PENDING" in outcome.message


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("dbfs:/models/iris", "is stored at dbfs:/models/iris, which only Databricks can read"),
        ("/models/iris", "which only the tracking server can read. Start it with proxied artifacts"),
        ("file:///models/iris", "which only the tracking server can read"),
        ("hdfs://models/iris", "which only the tracking server can read"),
        ("models:/iris/1", "does not respond like an MLflow tracking server"),
    ],
)
def test_unreadable_location_is_reported(load: Loader, plain_web: Web, location: str, text: str) -> None:
    answer = json.dumps({"artifact_uri": location}).encode()
    plain_web.page("/api/2.0/mlflow/model-versions/get-download-uri", lambda handler: handler.answer(200, answer))
    outcome = load("models:/iris/1", {"MLFLOW_TRACKING_URI": plain_web.url})
    assert (outcome.code, outcome.files) == (1, {})
    assert text in outcome.message


def test_artifacts_behind_the_url_of_the_server_are_proxied(load: Loader, plain_web: Web) -> None:
    api = "/api/2.0/mlflow-artifacts/artifacts"
    answers = {
        "/api/2.0/mlflow/model-versions/get-download-uri": {"artifact_uri": f"{plain_web.url}{api}/1/model"},
        api: {"files": [{"path": "a", "file_size": 1}]},
    }
    for path, answer in answers.items():
        body = json.dumps(answer).encode()
        plain_web.page(path, lambda handler, body=body: handler.answer(200, body))  # type: ignore[misc]
    plain_web.file(f"{api}/1/model/a", b"x")
    assert load("models:/iris/1", {"MLFLOW_TRACKING_URI": plain_web.url}).files == {"a": b"x"}


@pytest.mark.parametrize(
    ("uri", "reason", "text"),
    [
        ("models:/iris/9", "ModelNotFound", "models:/iris/9 does not exist"),
        ("models:/iris@loser", "ModelNotFound", "The alias 'loser' of model 'iris' does not exist"),
        ("models:/rose/1", "ModelNotFound", "models:/rose/1 does not exist"),
        ("models:/iris", "BadURI", "write it as models:/NAME/VERSION, models:/NAME@ALIAS"),
        ("models:/iris/champion", "BadURI", "write an alias as models:/iris@champion"),
        ("models:/rose/latest", "ModelNotFound", "The model 'rose' does not exist"),
        (f"models:/m-{'0' * 32}", "ModelNotFound", "does not exist"),
        (f"runs:/{'0' * 32}/model", "ModelNotFound", f"runs:/{'0' * 32} does not exist"),
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
