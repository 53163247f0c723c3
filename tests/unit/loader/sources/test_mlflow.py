"""URIs of MLflow, and responses of its tracking server."""

from typing import Any

import pytest

from model_loader.errors import LoaderError
from model_loader.sources import mlflow
from model_loader.sources.mlflow import Reference, parse_uri

MODEL = {"info": {"model_id": "m-1", "artifact_uri": "s3://a/b", "status": "LOGGED_MODEL_READY", "source_run_id": "r"}}


@pytest.mark.parametrize(
    ("uri", "reference"),
    [
        ("models:/iris/3", Reference("version", "iris", "3")),
        ("models:/iris@champion", Reference("alias", "iris", "champion")),
        ("models:/iris/latest", Reference("stage", "iris", "latest")),
        ("models:/iris/Production", Reference("stage", "iris", "Production")),
        ("models:/m-0a1b", Reference("model", "m-0a1b")),
        ("models:/wein%20g%C3%BCte+rot/3", Reference("version", "wein güte+rot", "3")),
        ("models:/wein%20güte+rot@gro%C3%9F", Reference("alias", "wein güte+rot", "groß")),
        ("models:/100%25/3", Reference("version", "100%", "3")),
        ("models:/a%2520b/3", Reference("version", "a%20b", "3")),
        ("models:/a%40b@c", Reference("alias", "a@b", "c")),
        ("runs:/0a1b", Reference("run", "0a1b")),
        ("runs:/0a1b/model", Reference("run", "0a1b", "model")),
        ("runs:/0a1b/path/to%20my/model/", Reference("run", "0a1b", "path/to my/model")),
    ],
)
def test_uri_is_parsed(uri: str, reference: Reference) -> None:
    assert parse_uri(uri) == reference


@pytest.mark.parametrize(
    "uri",
    [
        *("models:/", "models:/iris", "models:/iris/champion", "models:/iris/3/4", "models:/iris@", "models:/iris/²"),
        *("models:/iris/3?x", "models:/%zz/3", "models:/%ff/3", "models:/a%00/3", "models:/m-", "runs:/"),
        *("runs:/a//b", "runs:/a/../b", "runs:/a/b%2F..%2Fc", "runs:/a/b?c", "runs:/a%20b/c", "runs:/a/b%5Cc"),
    ],
)
def test_other_uri_is_refused(uri: str) -> None:
    with pytest.raises(LoaderError):
        parse_uri(uri)


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ({}, None),
        ({"model_versions": []}, None),
        ({"model_versions": [{"version": "2"}, {"version": "10"}, {"version": 9}]}, "10"),
    ],
)
def test_latest_version_is_compared_as_a_number(answer: Any, number: str | None) -> None:
    assert mlflow.parse_latest_version(answer) == number


def test_logged_models_are_parsed() -> None:
    models, token = mlflow.parse_logged_models({"models": [MODEL], "next_page_token": "t"})
    assert ([model.run_id for model in models], token) == (["r"], "t")
    assert mlflow.parse_logged_models({}) == ([], "")


@pytest.mark.parametrize(
    ("parse", "answer"),
    [
        (mlflow.parse_run, {}),
        (mlflow.parse_run, {"run": {"info": {"artifact_uri": "https://[bad"}}}),
        (mlflow.parse_run, {"run": []}),
        (mlflow.parse_logged_model, {"model": {"info": {**MODEL["info"], "model_id": "../x"}}}),
        (mlflow.parse_logged_model, {"model": {"info": {**MODEL["info"], "status": 3}}}),
        (mlflow.parse_logged_models, {"models": {"a": 1}}),
        (mlflow.parse_logged_models, {"models": [MODEL], "next_page_token": 1}),
        (mlflow.parse_latest_version, {"model_versions": [{"version": "latest"}]}),
        (mlflow.parse_latest_version, {"model_versions": [{"version": True}]}),
    ],
)
def test_response_of_another_form_is_refused(parse: Any, answer: Any) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse(answer)


@pytest.mark.parametrize("status", ["LOGGED_MODEL_PENDING", "LOGGED_MODEL_UPLOAD_FAILED"])
def test_incomplete_logged_model_is_refused(status: str) -> None:
    model = mlflow.parse_logged_model({"model": {"info": {**MODEL["info"], "status": status}}})
    with pytest.raises(LoaderError, match=status):
        model.check_ready()
