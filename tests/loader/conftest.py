"""The loader as a separate process, as in a pod, with real stores on this machine."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from model_loader.credentials import SETTINGS
from tests.environment.stores import mlflow, oci, s3
from tests.environment.stores.hub import Hub
from tests.environment.stores.serving import Place, Store, here
from tests.environment.stores.web import Web, serving
from tests.support.secret_volume import write_secret_volume

LOOPBACK = "127.0.0.0/8"
OPERATOR = Path(__file__).parents[2] / "operator"
IDENTITY_VARIABLES = frozenset(
    {"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AZURE_FEDERATED_TOKEN_FILE"}
)
"""Variables that a webhook sets for a pod whose ServiceAccount has a cloud identity."""


@dataclass(frozen=True)
class Outcome:
    """Result of a run: exit code, report, output and target directory."""

    code: int
    report: dict[str, Any]
    log: str
    target: Path

    @property
    def reason(self) -> str:
        return str(self.report["reason"])

    @property
    def message(self) -> str:
        return str(self.report["message"])

    @property
    def files(self) -> dict[str, bytes]:
        """Published files by their paths."""
        found = (path for path in self.target.rglob("*") if path.is_file())
        return {path.relative_to(self.target).as_posix(): path.read_bytes() for path in found}


@dataclass(frozen=True)
class Loader:
    """Runs the loader like an init container: the request is in its environment, the credentials are files."""

    volume: Path

    def __call__(self, uri: str, store: Mapping[str, str] | None = None, *, key: str = "model", **more: str) -> Outcome:
        """Run the loader to its end.

        `store` are the values of a Secret, and variables of an image. `more` are variables of the operator: sha256 is
        MODEL_SHA256.
        """
        process = self.start(uri, store, key=key, **more)
        output, errors = process.communicate(timeout=120)
        assert "Traceback" not in errors, errors
        return Outcome(process.returncode, json.loads(output.splitlines()[-1]), output + errors, self.volume / key)

    def start(
        self,
        uri: str,
        store: Mapping[str, str] | None = None,
        *,
        key: str = "model",
        program: Sequence[str] = ("-m", "model_loader"),
        **more: str,
    ) -> subprocess.Popen[str]:
        """Start the loader. `program` are the arguments of Python."""
        environment = self.environment(uri, store, key=key, **more)
        return subprocess.Popen(
            [sys.executable, *program],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def environment(
        self, uri: str, store: Mapping[str, str] | None = None, *, key: str = "model", **more: str
    ) -> dict[str, str]:
        """Return the environment of a loader. What a Secret may contain is written to files."""
        secret = {name: value for name, value in (store or {}).items() if name in SETTINGS}
        image = {name: value for name, value in (store or {}).items() if name not in SETTINGS}
        identity = {"MODEL_IDENTITY": "ServiceAccount"} if IDENTITY_VARIABLES & image.keys() else {}
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(OPERATOR),
            "PYTHONSAFEPATH": "1",
            "MODEL_URI": uri,
            "MODEL_PATH": str(self.volume / key),
            "MODEL_ALLOWED_CIDRS": LOOPBACK,
            "MODEL_CREDENTIALS_DIR": str(self.write_secret(secret)) if secret else "",
            **identity,
            **image,
            **{f"MODEL_{name.upper()}": value for name, value in more.items()},
        }

    def write_secret(self, values: Mapping[str, str | bytes]) -> Path:
        """Write the volume of a Secret; return its directory."""
        return write_secret_volume(Path(tempfile.mkdtemp(prefix="secret-", dir=self.volume.parent)), values)

    def partial_directories(self) -> list[str]:
        """Names of unfinished downloads on the volume."""
        return [path.name for path in self.volume.iterdir() if ".partial" in path.name]


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    """The loader with a separate volume."""
    volume = tmp_path / "volume"
    volume.mkdir()
    return Loader(volume)


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    """The place of the stores of this session."""
    with here() as place:
        yield place


@pytest.fixture(scope="session")
def s3_store(place: Place) -> tuple[Store, Path]:
    """S3, and the directory of its bucket."""
    return s3.start(place)


@pytest.fixture(scope="session")
def registry(place: Place) -> oci.Registry:
    """Registry of artifacts and images."""
    return oci.start(place)


@pytest.fixture(scope="session")
def tracking(place: Place) -> mlflow.Tracking:
    """Tracking server of MLflow."""
    return mlflow.start(place)


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """HTTPS server with a private certificate authority."""
    with serving(tmp_path_factory.mktemp("web")) as web:
        yield web


@pytest.fixture(scope="session")
def plain_web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """HTTP server without TLS."""
    with serving(tmp_path_factory.mktemp("plain"), tls=False) as web:
        yield web


@pytest.fixture(scope="session")
def hub(web: Web) -> Hub:
    """Model hub with the API of Hugging Face."""
    return Hub(web)


Load = Callable[..., Outcome]
