"""MLflow's tracking server with its registry: artifacts on S3, which clients read themselves, or handed out by it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from tests.environment.stores.installing import python_tool
from tests.environment.stores.serving import Place, Store

if TYPE_CHECKING:
    from collections.abc import Mapping

_JSON = {"Content-Type": "application/json"}
_START_TIMEOUT = 120.0
_API = "api/2.0/mlflow"


@dataclass(frozen=True)
class Tracking:
    """A running server."""

    store: Store
    place: Place

    def register(self, name: str, source: str, *, run: str = "", model: str = "") -> str:
        """Register the artifacts at `source`, of a run or a logged model, as the next version; return its number."""
        self._post("registered-models/create", {"name": name}, fine=("RESOURCE_ALREADY_EXISTS",))
        answer = self._post(
            "model-versions/create",
            {"name": name, "source": source}
            | ({"run_id": run} if run else {})
            | ({"model_id": model} if model else {}),
        )
        return str(answer["model_version"]["version"])

    def point(self, name: str, alias: str, version: str) -> None:
        """Make an alias mean a version."""
        self._post("registered-models/alias", {"name": name, "alias": alias, "version": version})

    def publish(self, name: str, files: Mapping[str, bytes]) -> str:
        """Have a run log artifacts that the server hands out, and register them; return the version's number."""
        run, artifacts = self.log(files)
        return self.register(name, f"{artifacts}/model", run=run)

    def log(self, files: Mapping[str, bytes], *, path: str = "model") -> tuple[str, str]:
        """Have a run log artifacts below a path; return its ID and the URI of its artifacts."""
        run = self._post("runs/create", {"experiment_id": "0"})["run"]["info"]
        self.upload(f"{run['artifact_uri']}/{path}", files)
        return run["run_id"], run["artifact_uri"]

    def log_model(self, name: str, files: Mapping[str, bytes], *, run: str = "", is_ready: bool = True) -> str:
        """Log a model as MLflow 3 does: with artifacts that are not those of its run; return its ID."""
        body = {"experiment_id": "0", "name": name} | ({"source_run_id": run} if run else {})
        info = self._post("logged-models", body)["model"]["info"]
        self.upload(info["artifact_uri"], files)
        if is_ready:
            finished = json.dumps({"model_id": info["model_id"], "status": "LOGGED_MODEL_READY"}).encode()
            self._request("PATCH", f"{_API}/logged-models/{info['model_id']}", finished)
        return str(info["model_id"])

    def upload(self, uri: str, files: Mapping[str, bytes]) -> None:
        """Write artifacts below a URI that the server hands out."""
        place = uri.removeprefix("mlflow-artifacts:/")
        for path, content in files.items():
            self._request("PUT", f"api/2.0/mlflow-artifacts/artifacts/{quote(f'{place}/{path}')}", content)

    def move_to_stage(self, name: str, version: str, stage: str) -> None:
        """Move a version to a stage, as before there were aliases."""
        body = {"name": name, "version": version, "stage": stage, "archive_existing_versions": False}
        self._post("model-versions/transition-stage", body)

    def _post(self, path: str, body: Mapping[str, Any], *, fine: tuple[str, ...] = ()) -> Any:
        return json.loads(self._request("POST", f"{_API}/{path}", json.dumps(body).encode(), fine=fine))

    def _request(self, method: str, path: str, body: bytes, *, fine: tuple[str, ...] = ()) -> str:
        """Ask from where the server is: the node's addresses are not the test's."""
        url = f"{self.store.url}/{path}"
        if self.place.inside is None:
            answer = httpx.request(method, url, content=body, headers=_JSON, timeout=30, trust_env=False)
            text = answer.text
            failed = answer.is_error
        else:
            file = self.place.folder / "request"
            file.write_bytes(body)
            command = ("curl", "--silent", "--show-error", "--request", method, "--data-binary", f"@{file}", url)
            text = self.place.inside.run(*command, "--header", "Content-Type: application/json")
            failed = '"error_code"' in text
        assert not failed or any(code in text for code in fine), text
        return text


def start(place: Place, *, artifacts: str | None = None, environment: Mapping[str, str] | None = None) -> Tracking:
    """Start a server that serves the artifacts in `artifacts`, or in its own directory."""
    folder = place.folder / "mlflow"
    folder.mkdir()
    port = place.port()
    url = f"http://{place.host}:{port}"
    place.start(
        "mlflow",
        [
            *(python_tool("mlflow") / "mlflow", "server", "--workers", "1", "--host", place.host, "--port", str(port)),
            *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--serve-artifacts"),
            *("--artifacts-destination", artifacts or str(folder / "artifacts"), "--allowed-hosts", "*"),
        ],
        ready=lambda: place.listens(port),
        environment={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **(environment or {})},
        seconds=_START_TIMEOUT,
    )
    return Tracking(Store(url, {"MLFLOW_TRACKING_URI": url}), place)
