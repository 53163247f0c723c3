"""When autoscaling is switched off, the count is looked at once more: a late write of the autoscaler is possible."""

import asyncio
from typing import Any

import pytest

from modelservice_operator.apimachinery.kinds import AUTOSCALER, CHILD_KINDS, DEPLOYMENT, MODEL_SERVICE, WITNESSES
from modelservice_operator.apply.applier import Cluster
from modelservice_operator.cache.informer import Informer, Informers, Key, key_of
from modelservice_operator.client.rest import Connection
from modelservice_operator.controller import reconciler as module
from modelservice_operator.controller.reconciler import Reconciler
from modelservice_operator.controller.workqueue import WorkQueue
from modelservice_operator.events.pod_events import Notes
from modelservice_operator.events.recorder import Recorder
from modelservice_operator.resources import build
from modelservice_operator.settings import Settings
from tests.support.builders import AModelService, a_model_service

KEY = ("ml", "iris")
SOON = 0.05


class Server(Connection):
    """Accepts what it is asked, and keeps it."""

    def __init__(self, service: dict[str, Any]) -> None:
        self.service = service
        self.asked: list[tuple[str, str, Any]] = []

    async def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        self.asked.append((method, path, options.get("body")))
        version = {"resourceVersion": str(100 + len(self.asked))}
        if method == "PUT":
            answer = self.service | {"status": options["body"]["status"]}
            return answer | {"metadata": self.service["metadata"] | version}
        return {"metadata": {"name": "iris", "namespace": "ml"} | version}


class World:
    """Caches in which the children of an autoscaled ModelService stand, and a person who switches that off."""

    def __init__(self, before: AModelService, after: AModelService) -> None:
        self.server, self.queue = Server(after.body()), WorkQueue[Key]()
        caches = {kind: Informer(kind, self.server, Settings()) for kind in (MODEL_SERVICE, *CHILD_KINDS, *WITNESSES)}
        for cache in caches.values():
            cache.synced.set()
        self.informers = Informers({kind: [cache] for kind, cache in caches.items()})
        for number, child in enumerate(build(before.parsed())):
            body = child.creation()
            metadata = body["metadata"] | {"uid": f"child-{number}", "resourceVersion": "1", "generation": 1}
            caches[child.kind].feed(body | {"metadata": metadata})
        caches[MODEL_SERVICE].feed(after.body())
        self.reconciler = Reconciler(
            self.informers,
            Cluster(self.server, self.informers),
            self.queue,
            Settings(),
            notes=Notes(self.server),
            recorder=Recorder(self.server, busy=lambda: False),
        )


async def test_a_count_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECOND_LOOK", SOON)
    world = World(a_model_service().autoscaled(high=5), a_model_service().of_generation(2).having(replicas=1))
    await world.reconciler.reconcile(KEY)
    assert ("DELETE", AUTOSCALER.path(namespace="ml", name="iris")) in [entry[:2] for entry in world.server.asked]
    # What its controller had on its way arrives, unseen by any watch.
    deployment = world.informers.get(DEPLOYMENT, KEY)
    assert deployment is not None
    assert key_of(deployment) == KEY
    late = deployment["spec"] | {"replicas": 4}
    metadata = deployment["metadata"] | {"resourceVersion": "900"}
    world.informers.feed(DEPLOYMENT, deployment | {"spec": late, "metadata": metadata})
    assert await asyncio.wait_for(world.queue.get(), SOON * 10) == KEY  # before anything else would
    await world.reconciler.reconcile(KEY)
    scaled = [body for method, path, body in world.server.asked if method == "PATCH" and path.endswith("/scale")]
    assert [body["spec"]["replicas"] for body in scaled] == [1]
