"""The API server's verdict on objects that it does not keep, over one connection: hundreds of questions a second."""

import json
import ssl
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import yaml

from modelservice_operator.api.kinds import MODEL_SERVICE
from tests.support.objects import AModelService


@dataclass(frozen=True)
class Answer:
    """What the API server says to a write."""

    status: int
    body: dict[str, Any]

    @property
    def accepted(self) -> bool:
        return self.status in {200, 201}

    @property
    def sentence(self) -> str:
        """The message that kubectl would print, "" when there is none."""
        return "" if self.accepted else str(self.body.get("message", self.body))


@dataclass(frozen=True)
class DryRun:
    """One user of one API server, who keeps nothing."""

    http: httpx.Client

    def get(self, path: str) -> Any:
        """Return what the server answers; raise for anything but success."""
        return self.http.get(path).raise_for_status().json()

    def create(self, service: AModelService) -> Answer:
        """Create the object, as strictly as kubectl does."""
        return self.create_body(MODEL_SERVICE.path(namespace=service.namespace), service.manifest())

    def create_body(self, path: str, body: dict[str, Any]) -> Answer:
        """POST any object to its collection."""
        options = {"dryRun": "All", "fieldValidation": "Strict"}
        answer = self.http.post(path, params=options, content=json.dumps(body), headers=_JSON)
        return Answer(answer.status_code, answer.json())


_JSON = {"Content-Type": "application/json"}


@contextmanager
def dry_run(kubeconfig: Path) -> Iterator[DryRun]:
    """Talk to the server of a kubeconfig with its client certificate."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with TemporaryDirectory() as folder:
        pair = Path(folder) / "client.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(b64decode(user["client-certificate-data"]) + b64decode(user["client-key-data"]))
        context.load_cert_chain(pair)
    with httpx.Client(base_url=cluster["server"], verify=context, trust_env=False, timeout=30) as client:
        yield DryRun(client)
