"""When autoscaling is switched off, the count is looked at once more: a late write of the autoscaler is possible."""

import asyncio
from typing import Any

import pytest

from modelservice_operator.apimachinery.kinds import (
    CHILD_KINDS,
    DEPLOYMENT,
    DIAGNOSTIC_KINDS,
    HORIZONTAL_POD_AUTOSCALER,
    MODEL_SERVICE,
)
from modelservice_operator.apimachinery.objects import NamespacedName, key_of
from modelservice_operator.apply.applier import Applier
from modelservice_operator.cache.informer import Informer, InformerSet
from modelservice_operator.client.rest import RestClient
from modelservice_operator.controller import reconciler as module
from modelservice_operator.controller.reconciler import Reconciler
from modelservice_operator.controller.workqueue import WorkQueue
from modelservice_operator.events.pod_events import PodEventReader
from modelservice_operator.events.recorder import EventRecorder
from modelservice_operator.resources import build_children
from modelservice_operator.settings import Settings
from tests.support.builders import ModelServiceBuilder, model_service

KEY = NamespacedName("ml", "iris")
SOON = 0.05


class Server(RestClient):
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

    def __init__(self, before: ModelServiceBuilder, after: ModelServiceBuilder) -> None:
        self.server, self.queue = Server(after.body()), WorkQueue[NamespacedName]()
        caches = {
            kind: Informer(kind, self.server, Settings()) for kind in (MODEL_SERVICE, *CHILD_KINDS, *DIAGNOSTIC_KINDS)
        }
        for cache in caches.values():
            cache.synced.set()
        self.informers = InformerSet({kind: [cache] for kind, cache in caches.items()})
        for number, child in enumerate(build_children(before.parsed())):
            body = child.create_body()
            metadata = body["metadata"] | {"uid": f"child-{number}", "resourceVersion": "1", "generation": 1}
            caches[child.kind].upsert(body | {"metadata": metadata})
        caches[MODEL_SERVICE].upsert(after.body())
        self.reconciler = Reconciler(
            self.informers,
            Applier(self.server, self.informers),
            self.queue,
            Settings(),
            pod_events=PodEventReader(self.server),
            recorder=EventRecorder(self.server, is_busy=lambda: False),
        )


async def test_a_count_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SCALE_RECHECK_SECONDS", SOON)
    world = World(model_service().autoscaled(max_replicas=5), model_service().with_generation(2).with_spec(replicas=1))
    await world.reconciler.reconcile(KEY)
    assert ("DELETE", HORIZONTAL_POD_AUTOSCALER.path(namespace="ml", name="iris")) in [
        entry[:2] for entry in world.server.asked
    ]
    # What its controller had on its way arrives, unseen by any watch.
    deployment = world.informers.get(DEPLOYMENT, KEY)
    assert deployment is not None
    assert key_of(deployment) == KEY
    late = deployment["spec"] | {"replicas": 4}
    metadata = deployment["metadata"] | {"resourceVersion": "900"}
    world.informers.upsert(DEPLOYMENT, deployment | {"spec": late, "metadata": metadata})
    assert await asyncio.wait_for(world.queue.get(), SOON * 10) == KEY  # before anything else would
    await world.reconciler.reconcile(KEY)
    scaled = [body for method, path, body in world.server.asked if method == "PATCH" and path.endswith("/scale")]
    assert [body["spec"]["replicas"] for body in scaled] == [1]
