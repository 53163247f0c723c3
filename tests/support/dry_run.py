"""The API server's verdict on objects that it does not keep, over one connection: hundreds of questions a second."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from tests.environment.cluster.kubeconfig import load_kubeconfig
from tests.support.builders import ModelServiceBuilder

_INDEX = re.compile(r"\[([^]]*)\]")


@dataclass(frozen=True)
class Answer:
    """What the API server says to a write."""

    status: int
    body: dict[str, Any]

    @property
    def accepted(self) -> bool:
        return self.status in {200, 201}

    @property
    def message(self) -> str:
        """The message that kubectl would print, "" when there is none."""
        return "" if self.accepted else str(self.body.get("message", self.body))

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Which field is wrong, as spec.env.0.name, and what the user reads about it.

        Rules name a key of a map in brackets, bounds after a dot; here both have dots.
        """
        found = (self.body.get("details") or {}).get("causes", ()) if not self.accepted else ()
        return [(_INDEX.sub(r".\1", cause.get("field", "")), cause["message"]) for cause in found]


@dataclass(frozen=True)
class DryRun:
    """One user of one API server, who keeps nothing."""

    http: httpx.Client

    def get(self, path: str) -> Any:
        """Return what the server answers; raise for anything but success."""
        return self.http.get(path).raise_for_status().json()

    def create(self, service: ModelServiceBuilder) -> Answer:
        """Create the object, as strictly as kubectl does."""
        return self.create_body(MODEL_SERVICE.path(namespace=service.namespace), service.manifest())

    def create_body(self, path: str, body: dict[str, Any]) -> Answer:
        """POST any object to its collection."""
        options = {"dryRun": "All", "fieldValidation": "Strict"}
        answer = self.http.post(path, params=options, content=json.dumps(body), headers=_JSON)
        return Answer(answer.status_code, answer.json())

    def change(self, namespace: str, name: str, patch: dict[str, Any], *, subresource: str = "") -> Answer:
        """Change a ModelService by a merge patch."""
        path = MODEL_SERVICE.path(namespace=namespace, name=name, subresource=subresource)
        options = {"dryRun": "All", "fieldValidation": "Strict"}
        answer = self.http.patch(path, params=options, content=json.dumps(patch), headers=_MERGE_PATCH)
        return Answer(answer.status_code, answer.json())


_JSON = {"Content-Type": "application/json"}
_MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


@contextmanager
def dry_run(kubeconfig: Path) -> Iterator[DryRun]:
    """Talk to the server of a kubeconfig with its client certificate."""
    config = load_kubeconfig(kubeconfig)
    with httpx.Client(base_url=config.server, verify=config.tls, trust_env=False, timeout=30) as client:
        yield DryRun(client)
