"""The example server as a process in its locked environment, without an image."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
import yaml

from tests.environment.images.catalog import RECIPES, REPOSITORY, ImageName
from tests.environment.images.store import Store
from tests.environment.images.uv import REQUIREMENTS, find_uv

RECIPE = RECIPES[ImageName.DIABETES]
START_SECONDS = 30


def command(script: str, *arguments: str) -> list[str]:
    run = [find_uv(), "run", "--quiet", "--frozen", "--no-dev", f"--project={RECIPE.folder}"]
    return [*run, "python", str(RECIPE.folder / script), *arguments]


def environment(model: Path, port: int | str) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
        "UV_PROJECT_ENVIRONMENT": str(Store.of_this_user().folder / "diabetes-environment"),
        "MODEL_PATH": str(model),
        "PORT": str(port),
    }


def get(url: str) -> tuple[int, Any]:
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310 - always http://127.0.0.1
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def wait_until_alive(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None:
        try:
            assert get(f"{url}/isAlive") == (HTTPStatus.OK, {"status": "alive"})
        except URLError:
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"the server ended with exit code {server.returncode}")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a freshly trained model."""
    folder = tmp_path_factory.mktemp("model")
    subprocess.run(command("train.py", str(folder / "model.joblib")), env=environment(folder, 0), check=True)
    return folder


@pytest.fixture(scope="module")
def server(model_folder: Path) -> Iterator[str]:
    """URL of a running server that was given the model's directory."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(command("server.py"), env=environment(model_folder, port)) as process:
        try:
            wait_until_alive(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def test_server_predicts_the_known_value(server: str) -> None:
    status, answer = get(f"{server}/prediction/?f=0.05")
    assert status == HTTPStatus.OK
    assert answer["prediction"] == pytest.approx(199.6, abs=0.1)


@pytest.mark.parametrize("query", ["", "?f=", "?f=tall", "?f=nan", "?f=inf"])
def test_invalid_feature_is_refused_with_a_message(server: str, query: str) -> None:
    status, answer = get(f"{server}/prediction/{query}")
    assert status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert answer == {"detail": "The parameter f must be a finite number, for example /prediction/?f=0.05."}


@pytest.mark.parametrize(
    ("content", "port", "words"),
    [(None, 0, "does not exist"), (b"no model", 0, "cannot be read"), (None, "http", "PORT must be a whole number")],
)
def test_server_exits_with_a_reason_when_the_model_fails_to_load(
    tmp_path: Path, content: bytes | None, port: int | str, words: str
) -> None:
    model = tmp_path / "model.joblib"
    if content is not None:
        model.write_bytes(content)
    ended = subprocess.run(
        command("server.py"), env=environment(model, port), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert words in ended.stderr.splitlines()[-1]


def test_manifest_names_the_built_image() -> None:
    manifest = yaml.safe_load((RECIPE.folder / "modelservice.yaml").read_text())
    assert manifest["spec"]["image"] == RECIPE.reference
    assert manifest["spec"]["imagePullPolicy"] == "IfNotPresent"


def test_both_images_are_built_with_the_same_uv() -> None:
    assert (RECIPE.folder / REQUIREMENTS.name).read_text() == REQUIREMENTS.read_text()
    assert (REPOSITORY / REQUIREMENTS.name) == REQUIREMENTS
