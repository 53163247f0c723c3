"""The reconciler decides without a server: what it asks for again, and when."""

from typing import Any

from modelservice_operator.apimachinery.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, MODEL_SERVICE
from modelservice_operator.apimachinery.objects import NamespacedName, key_of
from modelservice_operator.apply.applier import Applier
from modelservice_operator.apply.writer import ObjectWriter
from modelservice_operator.cache.informer import InformerContext
from modelservice_operator.client.rest import RestClient
from modelservice_operator.controller.reconciler import SCALE_RECHECK_SECONDS, Reconciler
from modelservice_operator.controller.status_writer import StatusWriter
from modelservice_operator.controller.watches import EventHandlers, build_informers
from modelservice_operator.controller.workqueue import WorkQueue
from modelservice_operator.errors import ConflictError, OperatorError, TerminalError
from modelservice_operator.events.pod_events import PodEventReader
from modelservice_operator.events.recorder import EventRecorder
from modelservice_operator.resources import build_children
from modelservice_operator.settings import Settings
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.clock import ManualClock

KEY = NamespacedName("ml", "iris")


class Server(RestClient):
    """Accepts every request and records it; fails with `error` if that is set."""

    def __init__(self, service: dict[str, Any]) -> None:
        self.service = service
        self.requests: list[tuple[str, str, Any]] = []
        self.error: OperatorError | None = None

    async def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        self.requests.append((method, path, options.get("body")))
        version = {"resourceVersion": str(100 + len(self.requests))}
        if method == "PUT":
            response = self.service | {"status": options["body"]["status"]}
            return response | {"metadata": self.service["metadata"] | version}
        if self.error is not None:
            raise self.error
        return {"metadata": {"name": "iris", "namespace": "ml"} | version}

    def writes(self, method: str) -> list[str]:
        """Return the paths of the requests with this method."""
        return [path for used, path, _ in self.requests if used == method]


class Fixture:
    """A reconciler whose caches hold the children of `before`, and the ModelService `after`."""

    def __init__(self, before: ModelServiceBuilder, after: ModelServiceBuilder) -> None:
        settings, self.clock, self.server = Settings(), ManualClock(1000), Server(after.body())
        context = InformerContext(self.server, settings, self.clock)
        self.informers = build_informers(context, EventHandlers(WorkQueue(), settings))
        for informer in self.informers:
            informer.reflector.has_synced.set()
        for number, child in enumerate(build_children(before.parsed())):
            body = child.create_body()
            metadata = body["metadata"] | {"uid": f"child-{number}", "resourceVersion": "1", "generation": 1}
            self.informers.upsert(child.kind, body | {"metadata": metadata})
        self.informers.upsert(MODEL_SERVICE, after.body())
        writer = ObjectWriter(self.server, self.informers)
        recorder = EventRecorder(self.server, is_busy=lambda: False, clock=self.clock)
        self.pending = False
        status_writer = StatusWriter(
            writer, recorder, settings, children_are_pending=lambda: self.pending, clock=self.clock
        )
        applier = Applier(writer, self.informers, clock=self.clock)
        pod_events = PodEventReader(self.server, clock=self.clock)
        self.reconciler = Reconciler(self.informers, applier, status_writer, pod_events, settings, clock=self.clock)


async def test_replicas_are_rechecked_after_autoscaling_is_disabled() -> None:
    before, after = model_service().autoscaled(max_replicas=5), model_service().with_generation(2).with_spec(replicas=1)
    fixture = Fixture(before, after)
    result = await fixture.reconciler.reconcile(KEY)
    assert fixture.server.writes("DELETE") == [HORIZONTAL_POD_AUTOSCALER.path(namespace="ml", name="iris")]
    assert result.requeue_after == SCALE_RECHECK_SECONDS
    # A late write of the controller of the autoscaler, which no watch reports.
    deployment = fixture.informers.get(DEPLOYMENT, KEY)
    assert deployment is not None
    assert key_of(deployment) == KEY
    late = deployment["spec"] | {"replicas": 4}
    metadata = deployment["metadata"] | {"resourceVersion": "900"}
    fixture.informers.upsert(DEPLOYMENT, deployment | {"spec": late, "metadata": metadata})
    fixture.clock.seconds += SCALE_RECHECK_SECONDS
    await fixture.reconciler.reconcile(KEY)
    scaled = [body for method, path, body in fixture.server.requests if method == "PATCH" and path.endswith("/scale")]
    assert [body["spec"]["replicas"] for body in scaled] == [1]


async def test_recheck_is_requested_until_it_is_due() -> None:
    before, after = model_service().autoscaled(max_replicas=5), model_service().with_generation(2).with_spec(replicas=1)
    fixture = Fixture(before, after)
    await fixture.reconciler.reconcile(KEY)
    fixture.clock.seconds += 2
    assert (await fixture.reconciler.reconcile(KEY)).requeue_after == SCALE_RECHECK_SECONDS - 2
    fixture.clock.seconds += SCALE_RECHECK_SECONDS
    assert (await fixture.reconciler.reconcile(KEY)).requeue_after is None


async def test_first_status_waits_while_children_are_pending() -> None:
    service = model_service()
    fixture = Fixture(service, service)
    fixture.pending = True
    result = await fixture.reconciler.reconcile(KEY)
    assert result.requeue_after == Settings().status_interval
    assert fixture.server.writes("PUT") == []
    fixture.clock.seconds += Settings().status_interval
    result = await fixture.reconciler.reconcile(KEY)
    assert len(fixture.server.writes("PUT")) == 1


async def test_error_of_a_child_is_returned_and_reported_at_once() -> None:
    service = model_service()
    fixture = Fixture(service, service.with_generation(2).with_spec(image="registry.example.com/iris:2"))
    fixture.pending = True
    fixture.server.error = TerminalError("No.")
    result = await fixture.reconciler.reconcile(KEY)
    assert isinstance(result.error, TerminalError)
    assert len(fixture.server.writes("PUT")) == 1


async def test_transient_error_of_a_child_is_returned() -> None:
    service = model_service().autoscaled(max_replicas=3)
    fixture = Fixture(service, service)
    assert (await fixture.reconciler.reconcile(KEY)).error is None
    fixture = Fixture(service, service.with_generation(2).with_spec(image="registry.example.com/iris:2"))
    fixture.server.error = ConflictError("Changed.")
    assert isinstance((await fixture.reconciler.reconcile(KEY)).error, ConflictError)


async def test_deleted_object_needs_nothing() -> None:
    service = model_service()
    fixture = Fixture(service, service)
    fixture.informers.delete(
        MODEL_SERVICE, service.body() | {"metadata": service.body()["metadata"] | {"resourceVersion": "99"}}
    )
    result = await fixture.reconciler.reconcile(KEY)
    assert (result.requeue_after, result.error) == (None, None)
    assert fixture.server.requests == []
