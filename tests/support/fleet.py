"""Many live objects of one namespace, for tests of upgrades: all their versions, and every write to them."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelservice_operator.apimachinery.kinds import MODEL_SERVICE, ResourceKind
from tests.environment.audit import AuditedRequest, AuditTrail
from tests.support.api import ApiClient
from tests.support.builders import model_service
from tests.support.namespace import NamespaceFixture

NAMES = tuple(f"live-{number:03d}" for number in range(200))
QUIET_SECONDS = 3.0
"""Status writes are deferred for up to a second."""


@dataclass(frozen=True)
class Fleet:
    """Live objects with downloaded models."""

    ns: NamespaceFixture
    audit: AuditTrail

    def objects(self, kind: ResourceKind) -> dict[str, Any]:
        """Return the live objects of a kind by name, with their versions: any write changes them."""
        resource = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
        listed = self.ns.cluster.read(resource, namespace=self.ns.namespace) or {}
        return {body["metadata"]["name"]: body for body in listed["items"]}

    def writes(self) -> list[AuditedRequest]:
        """Return the operator's writes in this namespace since the trail was opened, with those of Events."""
        return [one for one in self.audit.requests() if one.call.is_write and one.call.namespace == self.ns.namespace]

    def create(self) -> None:
        """Create the objects; wait until all are ready, and nothing is left to write."""
        asyncio.run(self._create())
        self.ns.wait(self._are_ready, "ready objects", within=400, name=NAMES[0])
        self.ns.wait(self._is_quiet, "operator that writes nothing", name=NAMES[0])

    async def _create(self) -> None:
        path = MODEL_SERVICE.path(namespace=self.ns.namespace)
        async with ApiClient(self.ns.cluster.kubeconfig) as api:
            await asyncio.gather(*(api.request("POST", path, downloading(name)) for name in NAMES))

    def _are_ready(self) -> bool:
        return all(is_ready(body) for body in self.objects(MODEL_SERVICE).values())

    def _is_quiet(self) -> bool:
        # Events are sent slowly, and what is left of them ends with the operator.
        return time.time() - max(request.received for request in self.writes() if request.is_write) > QUIET_SECONDS


def downloading(name: str) -> dict[str, Any]:
    body = model_service().named(name).with_spec(model={"uri": f"s3://models/{name}"}).manifest()
    return body | {"metadata": {"name": name}}


def is_ready(service: Mapping[str, Any]) -> bool:
    conditions = (service.get("status") or {}).get("conditions") or ()
    return any((entry["type"], entry["status"]) == ("Ready", "True") for entry in conditions)
