"""Dry-run requests over one connection: hundreds of objects a second are validated and none is stored."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from tests.environment.kubeconfig import load_kubeconfig
from tests.support.builders import ModelServiceBuilder

_INDEX = re.compile(r"\[([^]]*)\]")


@dataclass(frozen=True)
class DryRunResponse:
    """Response of the API server to a write."""

    status: int
    body: dict[str, Any]

    @property
    def is_accepted(self) -> bool:
        return self.status in {200, 201}

    @property
    def message(self) -> str:
        """The message that kubectl would print; empty if the object was accepted."""
        return "" if self.is_accepted else str(self.body.get("message", self.body))

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Field, such as spec.env.0.name, and message of each validation error.

        Rules name a key of a map in brackets, bounds after a dot; here both have dots.
        """
        found = (self.body.get("details") or {}).get("causes", ()) if not self.is_accepted else ()
        return [(_INDEX.sub(r".\1", cause.get("field", "")), cause["message"]) for cause in found]


@dataclass(frozen=True)
class DryRunClient:
    """Sends dry-run requests of one user to one API server."""

    http: httpx.Client

    def get(self, path: str) -> Any:
        """Return the body of a response. Raises httpx.HTTPStatusError for anything but success."""
        return self.http.get(path).raise_for_status().json()

    def create_model_service(self, service: ModelServiceBuilder) -> DryRunResponse:
        """Create a ModelService with strict field validation, as kubectl does."""
        return self.create(MODEL_SERVICE.path(namespace=service.namespace), service.manifest())

    def create(self, path: str, body: dict[str, Any]) -> DryRunResponse:
        """POST any object to its collection."""
        options = {"dryRun": "All", "fieldValidation": "Strict"}
        answer = self.http.post(path, params=options, content=json.dumps(body), headers=_JSON)
        return DryRunResponse(answer.status_code, answer.json())

    def apply(self, path: str, body: dict[str, Any], *, manager: str, store: bool = False) -> DryRunResponse:
        """Apply any object to its path by server-side apply, as the owner of all its fields; `store`: no dry run."""
        options = {"fieldManager": manager, "force": "true"} | ({} if store else {"dryRun": "All"})
        answer = self.http.patch(path, params=options, content=json.dumps(body), headers=_APPLY)
        return DryRunResponse(answer.status_code, answer.json())

    def patch_model_service(
        self, namespace: str, name: str, patch: dict[str, Any], *, subresource: str = ""
    ) -> DryRunResponse:
        """Patch a ModelService by a merge patch."""
        path = MODEL_SERVICE.path(namespace=namespace, name=name, subresource=subresource)
        options = {"dryRun": "All", "fieldValidation": "Strict"}
        answer = self.http.patch(path, params=options, content=json.dumps(patch), headers=_MERGE_PATCH)
        return DryRunResponse(answer.status_code, answer.json())


_JSON = {"Content-Type": "application/json"}
_APPLY = {"Content-Type": "application/apply-patch+yaml"}
_MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


@contextmanager
def open_dry_run_client(kubeconfig: Path) -> Iterator[DryRunClient]:
    """Connect to the server of a kubeconfig with its client certificate."""
    config = load_kubeconfig(kubeconfig)
    with httpx.Client(base_url=config.server, verify=config.tls, trust_env=False, timeout=30) as client:
        yield DryRunClient(client)
