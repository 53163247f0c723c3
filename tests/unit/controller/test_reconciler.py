"""The reconciler decides without a server: what it asks for again, and when."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from modelservice_operator.apimachinery.kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    MODEL_SERVICE,
    POD,
    REPLICA_SET,
    SERVICE,
    ResourceKind,
)
from modelservice_operator.apimachinery.objects import NamespacedName, key_of
from modelservice_operator.apply.applier import Applier
from modelservice_operator.apply.writer import ObjectWriter
from modelservice_operator.cache.informer import InformerContext
from modelservice_operator.cache.store import Store, StoredObject
from modelservice_operator.client.rest import RestClient
from modelservice_operator.controller.blocked_names import BlockedNames
from modelservice_operator.controller.object_state import STATUS_BURST, STATUS_REFILL_SECONDS
from modelservice_operator.controller.reconciler import (
    NAMESPACE_RECHECK_SECONDS,
    OWNER_RECHECK_SECONDS,
    SCALE_RECHECK_SECONDS,
    Reconciler,
)
from modelservice_operator.controller.status_writer import StatusWriter
from modelservice_operator.controller.watches import EventHandlers, build_informers
from modelservice_operator.controller.workqueue import WorkQueue
from modelservice_operator.errors import (
    ConflictError,
    DriftDetectedError,
    NameConflictError,
    NamespaceTerminatingError,
    NotFoundError,
    ObjectNotFoundError,
    OperatorError,
    TerminalError,
)
from modelservice_operator.events.load_progress import LoadProgressReader
from modelservice_operator.events.pod_events import PodEventReader
from modelservice_operator.events.recorder import EventRecorder
from modelservice_operator.events.transitions import EventSpec
from modelservice_operator.resources import build_children
from modelservice_operator.resources.metadata import OWNER_ANNOTATION
from modelservice_operator.resources.service import build_service
from modelservice_operator.settings import DEFAULT_LOADER, LoaderSettings, Settings
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.clock import ManualClock
from tests.support.pods import DEPLOYMENT_UID, new_pod, new_replica_set

KEY = NamespacedName("ml", "iris")


@pytest.fixture(autouse=True)
def unmodified(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check after each test that no object that was read from a cache has been modified: readers share it."""
    read: list[tuple[Any, Any]] = []
    decode = Store._decode  # noqa: SLF001

    def record(store: Store, stored: StoredObject) -> dict[str, Any]:
        body = decode(store, stored)
        read.append((body, deepcopy(body)))
        return body

    monkeypatch.setattr(Store, "_decode", record)
    yield
    assert [body for body, before in read if body != before] == []


class Server(RestClient):
    """Accepts every request and records it; fails with `error` if that is set."""

    def __init__(self, service: dict[str, Any]) -> None:
        self.service = service
        self.requests: list[tuple[str, str, Any]] = []
        self.error: OperatorError | None = None
        self.service_error: OperatorError | None = None
        """Failure of a GET of the ModelService."""
        self.objects: dict[str, dict[str, Any]] = {}
        """Objects that a GET returns, by path."""
        self.taken: dict[str, Any] | None = None
        """Object of another owner that has the name of a child which does not exist."""

    async def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        self.requests.append((method, path, options.get("body")))
        version = {"resourceVersion": str(100 + len(self.requests))}
        if method == "PUT":
            response = self.service | {"status": options["body"]["status"]}
            return response | {"metadata": self.service["metadata"] | version}
        if (method, path) == ("GET", MODEL_SERVICE.path(namespace="ml", name="iris")):
            if self.service_error is not None:
                raise self.service_error
            return self.service
        if method == "GET" and path in self.objects:
            return self.objects[path]
        if self.error is not None:
            raise self.error
        if self.taken is not None and method == "POST":
            raise ConflictError("The name is taken.")
        if self.taken is not None and path.endswith("/services/iris"):
            return self.taken
        if method == "POST":
            created: dict[str, Any] = options["body"]
            return created | {"metadata": created["metadata"] | version | {"uid": f"child-{len(self.requests)}"}}
        applied = options["body"] if method == "PATCH" and not path.endswith("/scale") else {"metadata": {}}
        return applied | {"metadata": {"name": "iris", "namespace": "ml"} | applied["metadata"] | version}

    def writes_of(self, plural: str) -> list[tuple[str, str]]:
        """Return method and path of the writes of a kind, in their order."""
        return [(method, path) for method, path, _ in self.requests if f"/{plural}" in path and method != "GET"]

    def writes(self, method: str) -> list[str]:
        """Return the paths of the requests with this method."""
        return [path for used, path, _ in self.requests if used == method]


class Recorder(EventRecorder):
    """Keeps the notes of Events instead of sending them."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def record(self, _regarding: dict[str, Any], events: Iterable[EventSpec]) -> None:
        self.notes += [event.note for event in events]


def newer(body: dict[str, Any], server: Server, **spec: Any) -> dict[str, Any]:
    """Return an object as another client changed it after the last request to the server."""
    server.requests.append(("", "", None))
    metadata = body["metadata"] | {"resourceVersion": str(100 + len(server.requests))}
    return body | {"metadata": metadata, "spec": body["spec"] | spec}


class Fixture:
    """A reconciler whose caches hold the children of `before`, and the ModelService `after`.

    An operator with the settings `loader` has created the children.
    """

    def __init__(
        self, before: ModelServiceBuilder, after: ModelServiceBuilder, *, loader: LoaderSettings = DEFAULT_LOADER
    ) -> None:
        settings, self.clock, self.server = Settings(), ManualClock(1000), Server(after.body())
        context = InformerContext(self.server, settings, self.clock)
        self.informers = build_informers(context, EventHandlers(WorkQueue(), settings))
        for informer in self.informers:
            informer.reflector.has_synced.set()
        for number, child in enumerate(build_children(before.parsed(), loader=loader)):
            body = child.create_body()
            metadata = body["metadata"] | {"uid": f"child-{number}", "resourceVersion": "1", "generation": 1}
            self.informers.upsert(child.kind, body | {"metadata": metadata})
        self.informers.upsert(MODEL_SERVICE, after.body())
        writer = ObjectWriter(self.server, self.informers)
        recorder = Recorder()
        self.notes = recorder.notes
        self.pending = False
        status_writer = StatusWriter(
            writer, recorder, settings, children_are_pending=lambda: self.pending, clock=self.clock
        )
        applier = Applier(writer, self.informers, clock=self.clock)
        pod_events = PodEventReader(self.server, clock=self.clock)
        self.loader_lines: list[bytes | None] = []
        """Lines of the loader, one for each connection."""
        self.connections: list[tuple[float, str]] = []
        """Times and addresses of the connections to loaders."""
        load_progress = LoadProgressReader(clock=self.clock, read=self._read_line)
        self.reconciler = Reconciler(
            self.informers,
            applier,
            status_writer,
            pod_events,
            settings,
            load_progress=load_progress,
            blocked_names=BlockedNames(context, lambda _: None),
            clock=self.clock,
        )

    async def _read_line(self, address: str, _port: int) -> bytes | None:
        self.connections.append((self.clock.seconds, address))
        return self.loader_lines.pop(0)

    def statuses(self) -> list[dict[str, Any]]:
        """Return the `status.model` of each status write."""
        return [body["status"]["model"] for method, _, body in self.server.requests if method == "PUT"]


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


DOWNLOADED = model_service().with_spec(model={"uri": "s3://models/iris"})
OTHER_LOADER = LoaderSettings(image="loader:1", timeout_seconds=60, allowed_cidrs=("10.20.0.0/16",))


async def test_children_of_another_operator_version_need_nothing() -> None:
    fixture = Fixture(DOWNLOADED, DOWNLOADED, loader=OTHER_LOADER)
    for _ in range(2):
        assert (await fixture.reconciler.reconcile(KEY)).error is None
    assert [method for method, _, _ in fixture.server.requests if method != "PUT"] == []


async def test_changed_template_uses_the_settings_of_this_operator() -> None:
    changed = DOWNLOADED.with_generation(2).with_spec(image="registry.example.com/iris:2")
    fixture = Fixture(DOWNLOADED, changed, loader=OTHER_LOADER)
    fixture.server.error = TerminalError("No.")
    await fixture.reconciler.reconcile(KEY)
    [applied] = [body for method, _, body in fixture.server.requests if method == "PATCH"]
    [container] = applied["spec"]["template"]["spec"]["initContainers"]
    assert container["image"] == DEFAULT_LOADER.image


SERVICES = SERVICE.path(namespace="ml")
NODE_PORT = {"type": "NodePort", "nodePort": 30080}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [("POST", SERVICES), ("DELETE", f"{SERVICES}/iris")]),
        # Only one Service can have the port: it is deleted first, if a dry run of the creation is accepted.
        (NODE_PORT, [("POST", SERVICES), ("DELETE", f"{SERVICES}/iris"), ("POST", SERVICES)]),
    ],
)
async def test_renamed_service_replaces_the_old_one(options: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    before = model_service().with_spec(service=options)
    fixture = Fixture(before, before.with_generation(2).with_spec(service=options | {"name": "front"}))
    await fixture.reconciler.reconcile(KEY)
    assert fixture.server.writes_of("services") == expected


async def test_old_service_is_kept_while_the_new_name_is_taken() -> None:
    fixture = Fixture(model_service(), model_service().with_generation(2).with_spec(service={"name": "front"}))
    taken = build_service(model_service().named("front").parsed()).body
    metadata = taken["metadata"] | {"resourceVersion": "1"}
    other = {"kind": "ModelService", "name": "front", "uid": "x", "controller": True}
    fixture.informers.upsert(SERVICE, taken | {"metadata": metadata | {"ownerReferences": [other]}})
    result = await fixture.reconciler.reconcile(KEY)
    assert isinstance(result.error, NameConflictError)
    assert "set service.name to another name" in str(result.error)
    assert fixture.server.writes_of("services") == []


def orphan_children(fixture: Fixture, owner_uid: str, version: int) -> None:
    """Let all children be of a ModelService with this UID, without an owner reference."""
    for kind in (DEPLOYMENT, SERVICE):
        live = fixture.informers.get(kind, KEY)
        assert live is not None
        annotations = live["metadata"]["annotations"] | {OWNER_ANNOTATION: owner_uid}
        changed = {"annotations": annotations, "ownerReferences": [], "resourceVersion": str(version)}
        orphan = live | {"metadata": live["metadata"] | changed}
        fixture.informers.upsert(kind, orphan)
        fixture.server.objects[kind.path(namespace="ml", name="iris")] = orphan


def adoptions(fixture: Fixture) -> list[Any]:
    """Return the bodies of the requests that adopt the Deployment."""
    path = DEPLOYMENT.path(namespace="ml", name="iris")
    return [body["metadata"] for method, used, body in fixture.server.requests if (method, used) == ("PATCH", path)]


async def test_orphan_is_adopted_by_its_metadata_only() -> None:
    fixture = Fixture(DOWNLOADED, DOWNLOADED, loader=OTHER_LOADER)
    orphan_children(fixture, "an-earlier-uid", 2)
    fixture.server.error = ConflictError("Not now.")
    await fixture.reconciler.reconcile(KEY)
    [metadata] = adoptions(fixture)
    uid = model_service().parsed().metadata.uid
    assert (metadata["uid"], metadata["resourceVersion"]) == ("child-0", "2")
    assert [owner["uid"] for owner in metadata["ownerReferences"]] == [uid]
    assert metadata["annotations"] == {OWNER_ANNOTATION: uid}


async def test_adopted_deployment_keeps_its_loader_settings() -> None:
    """The plan precedes the adoption: an orphan of another operator version restarts no pod."""
    fixture = Fixture(DOWNLOADED, DOWNLOADED, loader=OTHER_LOADER)
    orphan_children(fixture, "an-earlier-uid", 2)
    fixture.server.error = ConflictError("Not now.")
    await fixture.reconciler.reconcile(KEY)
    orphan_children(fixture, DOWNLOADED.parsed().metadata.uid, 3)  # adopted
    await fixture.reconciler.reconcile(KEY)
    [_, applied] = [
        body for method, path, body in fixture.server.requests if "deployments" in path and method == "PATCH"
    ]
    [container] = applied["spec"]["template"]["spec"]["initContainers"]
    assert container["image"] == OTHER_LOADER.image


@pytest.mark.parametrize("owner_uid", ["an-earlier-uid", model_service().parsed().metadata.uid])
async def test_terminating_owner_takes_nothing_over(owner_uid: str) -> None:
    """With --cascade=orphan, the children lose their references before the cache knows of the deletion."""
    fixture = Fixture(model_service(), model_service())
    orphan_children(fixture, owner_uid, 2)
    metadata = fixture.server.service["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    fixture.server.service = fixture.server.service | {"metadata": metadata}
    assert (await fixture.reconciler.reconcile(KEY)).error is None
    assert [method for method, _, _ in fixture.server.requests if method != "GET"] == []


def another_autoscaler(target: str, *, kind: str = "Deployment") -> dict[str, Any]:
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": target}
    metadata = {"name": "theirs", "namespace": "ml", "uid": "hpa", "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"scaleTargetRef": reference}}


def set_replicas(fixture: Fixture, replicas: int) -> None:
    """Scale the Deployment as another client does."""
    deployment = fixture.informers.get(DEPLOYMENT, KEY)
    assert deployment is not None
    fixture.informers.upsert(DEPLOYMENT, newer(deployment, fixture.server, replicas=replicas))


async def times_of(fixture: Fixture, verb: str, ending: str, *, undo: Callable[[], None]) -> list[float]:
    """Return when the operator sends a request that another client undoes each second, later each ten seconds."""
    start, times = fixture.clock.seconds, []
    for seconds in (*range(60), *range(60, 2000, 10)):
        fixture.clock.seconds = start + seconds
        undo()
        before = len(fixture.server.requests)
        await fixture.reconciler.reconcile(KEY)
        sent = [method == verb and path.endswith(ending) for method, path, _ in fixture.server.requests[before:]]
        times += [seconds] * sum(sent)
    undo()
    return times


async def test_reverted_replicas_are_left_alone_and_reported() -> None:
    service = model_service().with_spec(replicas=2)
    fixture = Fixture(service, service)
    times = await times_of(fixture, "PATCH", "/scale", undo=lambda: set_replicas(fixture, 5))
    assert times == [0, 1, 2, 610, 1210, 1810]
    result = await fixture.reconciler.reconcile(KEY)
    assert isinstance(result.error, DriftDetectedError)
    assert str(result.error).startswith("spec.replicas of Deployment iris is being reverted by another client.")
    assert "set autoscaling.managedBy to External" in str(result.error)


async def test_reverted_replicas_do_not_block_other_fields() -> None:
    service = model_service().with_spec(replicas=2)
    fixture = Fixture(service, service)
    for _ in range(4):
        set_replicas(fixture, 5)
        await fixture.reconciler.reconcile(KEY)
    deployment = fixture.informers.get(DEPLOYMENT, KEY)
    assert deployment is not None
    fixture.informers.upsert(DEPLOYMENT, newer(deployment, fixture.server, replicas=5, revisionHistoryLimit=9))
    fixture.server.error = ConflictError("Changed.")
    await fixture.reconciler.reconcile(KEY)
    assert fixture.server.writes("PATCH")[-1] == DEPLOYMENT.path(namespace="ml", name="iris")


@pytest.mark.parametrize(("wanted", "live", "scaled"), [(2, 5, []), (2, 0, [2]), (0, 5, [0]), (2, 2, [])], ids=str)
async def test_foreign_autoscaler_owns_positive_replicas(wanted: int, live: int, scaled: list[int]) -> None:
    """No autoscaler acts on 0 replicas: these stay with the operator."""
    service = model_service().with_spec(replicas=wanted)
    fixture = Fixture(service, service)
    fixture.informers.upsert(HORIZONTAL_POD_AUTOSCALER, another_autoscaler("iris"))
    set_replicas(fixture, live)
    assert (await fixture.reconciler.reconcile(KEY)).error is None
    bodies = [body for method, path, body in fixture.server.requests if path.endswith("/scale")]
    assert [body["spec"]["replicas"] for body in bodies] == scaled


@pytest.mark.parametrize("other", [another_autoscaler("tulip"), another_autoscaler("iris", kind="StatefulSet")])
async def test_autoscaler_of_another_target_changes_nothing(other: dict[str, Any]) -> None:
    service = model_service().with_spec(replicas=2)
    fixture = Fixture(service, service)
    fixture.informers.upsert(HORIZONTAL_POD_AUTOSCALER, other)
    set_replicas(fixture, 5)
    await fixture.reconciler.reconcile(KEY)
    assert len(fixture.server.writes("PATCH")) == 1


@pytest.mark.parametrize("kind", [DEPLOYMENT, SERVICE, HORIZONTAL_POD_AUTOSCALER], ids=lambda kind: kind.kind)
async def test_deleted_child_returns_later_and_later(kind: ResourceKind) -> None:
    service = model_service().autoscaled(max_replicas=5)
    fixture = Fixture(service, service)

    def delete() -> None:
        if (live := fixture.informers.get(kind, KEY)) is not None:
            fixture.informers.delete(kind, newer(live, fixture.server))

    times = await times_of(fixture, "POST", f"/{kind.plural}", undo=delete)
    assert times == [0, 1, 2, 32, 100, 220, 460, 940, 1540]
    reads = len(fixture.server.writes("GET"))
    result = await fixture.reconciler.reconcile(KEY)
    assert isinstance(result.error, DriftDetectedError)
    assert str(result.error).startswith(f"{kind.kind} iris is being deleted by another client")
    assert len(fixture.server.writes("GET")) == reads == len(times), "the owner is read only before a creation"


async def test_taken_name_is_no_deletion() -> None:
    """Another owner creates an object where a child was deleted: the operator tries again, and reports that."""
    service = model_service()
    fixture = Fixture(service, service)
    live = fixture.informers.get(SERVICE, KEY)
    assert live is not None
    fixture.informers.delete(SERVICE, newer(live, fixture.server))
    fixture.server.taken = newer({"metadata": {"name": "iris", "namespace": "ml"}, "spec": {}}, fixture.server)
    for _ in range(10):
        assert isinstance((await fixture.reconciler.reconcile(KEY)).error, NameConflictError)
        fixture.clock.seconds += 30


async def test_surplus_child_that_returns_is_left_and_reported() -> None:
    before, after = model_service().autoscaled(max_replicas=5), model_service().with_generation(2)
    fixture = Fixture(before, after)
    surplus = fixture.informers.get(HORIZONTAL_POD_AUTOSCALER, KEY)
    assert surplus is not None

    def restore() -> None:
        if fixture.informers.get(HORIZONTAL_POD_AUTOSCALER, KEY) is None:
            fixture.informers.upsert(HORIZONTAL_POD_AUTOSCALER, newer(surplus, fixture.server))

    times = await times_of(fixture, "DELETE", "/iris", undo=restore)
    assert times == [0, 1, 2, 610, 1210, 1810]
    result = await fixture.reconciler.reconcile(KEY)
    assert isinstance(result.error, DriftDetectedError)
    assert "HorizontalPodAutoscaler iris is not part of the spec, and is being created by" in str(result.error)


async def test_new_generation_starts_with_no_corrections() -> None:
    service = model_service().with_spec(replicas=2)
    fixture = Fixture(service, service)
    for _ in range(4):
        set_replicas(fixture, 5)
        await fixture.reconciler.reconcile(KEY)
    before = len(fixture.server.writes("PATCH"))
    changed = service.with_generation(2).with_spec(suspend=True).body()
    fixture.informers.upsert(MODEL_SERVICE, newer(changed, fixture.server))
    await fixture.reconciler.reconcile(KEY)
    assert len(fixture.server.writes("PATCH")) > before


async def test_status_writes_of_a_fight_are_limited() -> None:
    """The status contains counts: a client that scales to another number each second would cause a write each time."""
    service = model_service().externally_scaled()
    fixture = Fixture(service, service)
    count = itertools.count(1)
    times = await times_of(fixture, "PUT", "/status", undo=lambda: set_replicas(fixture, next(count)))
    assert times[:STATUS_BURST] == list(range(STATUS_BURST))
    assert len([time for time in times if time >= 60]) <= 1940 / STATUS_REFILL_SECONDS


async def test_new_generation_is_reported_after_many_status_writes() -> None:
    service = model_service().externally_scaled()
    fixture = Fixture(service, service)
    for replicas in range(1, 40):
        set_replicas(fixture, replicas)
        await fixture.reconciler.reconcile(KEY)
        fixture.clock.seconds += 1
    before = len(fixture.server.writes("PUT"))
    live = fixture.informers.get(MODEL_SERVICE, KEY)
    assert live is not None
    changed = live | {"metadata": live["metadata"] | {"generation": 2}}
    fixture.informers.upsert(MODEL_SERVICE, newer(changed, fixture.server))
    await fixture.reconciler.reconcile(KEY)
    assert len(fixture.server.writes("PUT")) == before + 1


async def test_changed_status_is_restored_and_its_manager_named() -> None:
    service = model_service()
    fixture = Fixture(service, service)
    await fixture.reconciler.reconcile(KEY)
    fixture.clock.seconds += 1
    written = fixture.informers.get(MODEL_SERVICE, KEY)
    assert written is not None
    theirs = {"manager": "dashboard", "operation": "Update", "subresource": "status", "time": "2026-01-02T03:04:05Z"}
    fixture.server.service = written | {"metadata": written["metadata"] | {"managedFields": [theirs]}}
    changed = written | {"status": written["status"] | {"replicas": 7}}
    fixture.informers.upsert(MODEL_SERVICE, newer(changed, fixture.server))
    await fixture.reconciler.reconcile(KEY)
    bodies = [body["status"] for method, _, body in fixture.server.requests if method == "PUT"]
    assert bodies == [written["status"]] * 2
    assert fixture.notes[-1] == "Reverted status of ModelService, changed by dashboard."


def without_deployment() -> Fixture:
    """Return a fixture whose Deployment was deleted."""
    fixture = Fixture(model_service(), model_service())
    deployment = fixture.informers.get(DEPLOYMENT, KEY)
    assert deployment is not None
    fixture.informers.delete(DEPLOYMENT, deployment)
    return fixture


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (ObjectNotFoundError("It does not exist."), OWNER_RECHECK_SECONDS),
        (NamespaceTerminatingError("The namespace is being deleted."), NAMESPACE_RECHECK_SECONDS),
    ],
)
async def test_reported_deletion_is_believed_for_a_while_only(answer: OperatorError, seconds: float) -> None:
    """The watch would have reported the deletion by then: the answer was wrong, or is not true any longer."""
    fixture = without_deployment()
    fixture.server.error = fixture.server.service_error = answer
    assert (await fixture.reconciler.reconcile(KEY)).requeue_after == seconds
    requests = len(fixture.server.requests)
    fixture.clock.seconds += seconds - 1
    assert (await fixture.reconciler.reconcile(KEY)).requeue_after == 1
    assert len(fixture.server.requests) == requests
    fixture.clock.seconds += 1
    await fixture.reconciler.reconcile(KEY)
    assert len(fixture.server.requests) > requests


async def test_reported_deletion_does_not_concern_a_successor() -> None:
    fixture = without_deployment()
    fixture.server.error = fixture.server.service_error = ObjectNotFoundError("It does not exist.")
    await fixture.reconciler.reconcile(KEY)
    body = model_service().body()
    metadata = body["metadata"] | {"uid": "successor", "resourceVersion": "900"}
    fixture.informers.upsert(MODEL_SERVICE, body | {"metadata": metadata})
    requests = len(fixture.server.requests)
    await fixture.reconciler.reconcile(KEY)
    assert len(fixture.server.requests) > requests


async def test_unserved_kind_is_an_error_and_no_deletion() -> None:
    fixture = without_deployment()
    fixture.server.error = fixture.server.service_error = NotFoundError("404 page not found")
    result = await fixture.reconciler.reconcile(KEY)
    assert isinstance(result.error, NotFoundError)


async def test_status_that_others_change_is_restored_rarely() -> None:
    """A client that acts each few seconds would otherwise have the burst for minutes."""
    service = model_service()
    fixture = Fixture(service, service)
    await fixture.reconciler.reconcile(KEY)
    start, times = fixture.clock.seconds, []
    for seconds in range(3, 600, 3):
        fixture.clock.seconds = start + seconds
        live = fixture.informers.get(MODEL_SERVICE, KEY)
        assert live is not None
        fixture.informers.upsert(
            MODEL_SERVICE, newer(live | {"status": live["status"] | {"replicas": 7}}, fixture.server)
        )
        before = len(fixture.server.writes("PUT"))
        await fixture.reconciler.reconcile(KEY)
        times += [seconds] * (len(fixture.server.writes("PUT")) - before)
    assert len([time for time in times if time <= 60]) <= 7
    assert len([time for time in times if time > 60]) <= 540 / STATUS_REFILL_SECONDS


class LoadingFixture(Fixture):
    """A ModelService whose only pod loads the model, in a loop that calls the reconciler when it asks to."""

    def __init__(self) -> None:
        super().__init__(DOWNLOADED, DOWNLOADED)
        live = self.informers.get(DEPLOYMENT, KEY)
        assert live is not None
        annotations = live["metadata"]["annotations"] | {"deployment.kubernetes.io/revision": "2"}
        metadata = live["metadata"] | {"uid": DEPLOYMENT_UID, "annotations": annotations, "resourceVersion": "2"}
        status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1}
        self.informers.upsert(DEPLOYMENT, live | {"metadata": metadata, "status": status})
        self.informers.upsert(REPLICA_SET, new_replica_set())
        self.version = 0
        self.set_loader({"running": {}})

    def set_loader(self, state: dict[str, Any]) -> None:
        self.version += 1
        pod = new_pod().container("model-loader", init=True, state=state).body()
        pod["metadata"]["resourceVersion"] = str(self.version)
        self.informers.upsert(POD, pod)

    async def run(self, seconds: float) -> None:
        """Reconcile until this time has passed: when the result asks for it, and otherwise at the end."""
        end = self.clock.seconds + seconds
        while self.clock.seconds < end:
            result = await self.reconciler.reconcile(KEY)
            assert result.error is None
            wait = end - self.clock.seconds if result.requeue_after is None else result.requeue_after
            self.clock.seconds = min(end, self.clock.seconds + max(wait, 0.01))


def loader_line(loaded: int, total: int = 1000) -> bytes:
    return json.dumps({"bytes": loaded, "total": total, "secondsLeft": (total - loaded) // 10}).encode()


async def test_progress_of_a_load_costs_a_write_each_15_s() -> None:
    fixture = LoadingFixture()
    fixture.loader_lines = [loader_line(150), loader_line(300), loader_line(300), loader_line(600)]
    await fixture.run(70)
    assert [(seconds - 1000, address) for seconds, address in fixture.connections] == [
        (15, "198.18.0.9"),
        (30, "198.18.0.9"),
        (45, "198.18.0.9"),
        (60, "198.18.0.9"),
    ]
    # The third read is like the second: nothing is written.
    assert [status.get("progress") for status in fixture.statuses()] == [
        None,
        {"loadedBytes": 150, "totalBytes": 1000, "percent": 15, "secondsLeft": 85},
        {"loadedBytes": 300, "totalBytes": 1000, "percent": 30, "secondsLeft": 70},
        {"loadedBytes": 600, "totalBytes": 1000, "percent": 60, "secondsLeft": 40},
    ]


async def test_loaded_model_costs_no_further_read_or_write() -> None:
    fixture = LoadingFixture()
    fixture.loader_lines = [loader_line(150)]
    await fixture.run(20)
    fixture.set_loader({"terminated": {"exitCode": 0, "message": ""}})
    await fixture.run(3600)
    assert len(fixture.connections) == 1
    assert [(status["state"], "progress" in status) for status in fixture.statuses()] == [
        ("Loading", False),
        ("Loading", True),
        ("Loaded", False),
    ]


async def test_load_of_less_than_15_s_costs_nothing() -> None:
    fixture = LoadingFixture()
    await fixture.run(14)
    fixture.set_loader({"terminated": {"exitCode": 0, "message": ""}})
    await fixture.run(600)
    assert fixture.connections == []
    assert [status["state"] for status in fixture.statuses()] == ["Loading", "Loaded"]


async def test_loader_that_has_just_ended_costs_no_write() -> None:
    """The port is closed before the status of the pod says that the loader has ended."""
    fixture = LoadingFixture()
    fixture.loader_lines = [loader_line(150), None]
    await fixture.run(31)
    assert len(fixture.connections) == 2
    assert len(fixture.statuses()) == 2


async def test_failing_reads_remove_the_progress_once() -> None:
    fixture = LoadingFixture()
    fixture.loader_lines = [loader_line(150), *[None] * 20]
    await fixture.run(15 + 15 + 30 + 60 + 120 + 240 * 10)
    assert [round(seconds - 1000) for seconds, _ in fixture.connections][:6] == [15, 30, 60, 120, 240, 480]
    assert ["progress" in status for status in fixture.statuses()] == [False, True, False]
