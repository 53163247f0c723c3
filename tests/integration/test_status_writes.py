"""The number of status writes under load is bounded, and each status version is correct."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from bench.api_client import ApiClient

from modelservice_operator.apimachinery.kinds import DEPLOYMENT, MODEL_SERVICE, POD
from tests.environment.audit import AuditTrail
from tests.environment.faults.history import History
from tests.environment.faults.oracles import lawful
from tests.environment.faults.state import KINDS, Place
from tests.support.builders import model_service
from tests.support.installation import USER
from tests.support.namespace import NamespaceFixture

pytestmark = pytest.mark.asyncio(loop_scope="module")

MERGE = "application/strategic-merge-patch+json"
FLAPS = 100
FLAPS_A_SECOND = 20
NEW_IMAGE = "registry.example.com/iris:2"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(ns: NamespaceFixture) -> AsyncIterator[ApiClient]:
    async with ApiClient(ns.cluster.kubeconfig) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def history(client: ApiClient) -> AsyncIterator[History]:
    async with History(client, (*KINDS, POD)) as history:
        yield history


async def wait_ready(ns: NamespaceFixture, name: str) -> None:
    await asyncio.to_thread(ns.wait_ready, name, within=60)


async def test_rollout_costs_at_most_four_status_writes(
    ns: NamespaceFixture, history: History, figure: Callable[[str], None]
) -> None:
    service = model_service().named("five").with_spec(replicas=5)
    await asyncio.to_thread(ns.apply, service)
    await wait_ready(ns, "five")
    audit = AuditTrail(ns.cluster, USER)
    await asyncio.to_thread(ns.apply, service.with_spec(image=NEW_IMAGE))
    # The old generation is still ready: kubectl must wait for the new one.
    await asyncio.to_thread(ns.kubectl, "wait", "--for=condition=Ready", "modelservice/five", "--timeout=60s")
    deployment = ns.get("deployment", "five")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == NEW_IMAGE
    assert deployment["status"]["updatedReplicas"] == deployment["status"]["availableReplicas"] == 5
    found = audit.status_writes_of("five")
    figure(f"status writes of a rollout of 5 replicas: {len(found.writes)} in {found.seconds:.1f} s")
    assert found.problems(at_most=4, conflicts=True) == []
    assert all(write.written_status for write in found.writes), "the audit log has the body of status writes"
    # No version is Ready before the rollout of the last change is complete.
    place = Place(history, ns.namespace, "five")
    await history.until(lambda: is_rolled_out(place), seconds=30, what="the ready version")
    assert lawful([], place) == []


def is_rolled_out(place: Place) -> bool:
    return place.is_ready and place.service is not None and place.service["spec"]["image"] == NEW_IMAGE


async def test_flapping_pods_cost_one_status_write_a_second(
    ns: NamespaceFixture, client: ApiClient, history: History, figure: Callable[[str], None]
) -> None:
    await asyncio.to_thread(ns.apply, model_service().named("flapping").with_spec(replicas=2))
    await wait_ready(ns, "flapping")
    await history.until(lambda: len(flapping_pods(history, ns)) == 2, seconds=30, what="two pods")
    pods = flapping_pods(history, ns)
    audit, loop = AuditTrail(ns.cluster, USER), asyncio.get_running_loop()
    started = loop.time()
    for number in range(FLAPS):
        await set_pod_readiness(client, ns.namespace, pods[number % 2], up=bool(number // 2 % 2))
        await asyncio.sleep(max(0.0, started + number / FLAPS_A_SECOND - loop.time()))
    seconds = loop.time() - started
    for pod in pods:
        await set_pod_readiness(client, ns.namespace, pod, up=True)
    await wait_ready(ns, "flapping")
    found = audit.status_writes_of("flapping")
    changes = [len(history.versions(kind, ns.namespace, "flapping")) for kind in (MODEL_SERVICE, DEPLOYMENT)]
    flaps = f"{FLAPS / seconds:.0f} times a second"
    figure(f"status writes while pods flap {flaps}: {len(found.writes)} in {found.seconds:.1f} s")
    assert found.problems(at_most=2) == [], changes


def flapping_pods(history: History, ns: NamespaceFixture) -> list[str]:
    return [name for name in history.names(POD, ns.namespace) if name.startswith("flapping-")]


async def set_pod_readiness(client: ApiClient, namespace: str, pod: str, *, up: bool) -> None:
    """Set the readiness of a pod as the kubelet does."""
    status = "True" if up else "False"
    conditions = [{"type": kind, "status": status} for kind in ("Ready", "ContainersReady")]
    path = POD.path(namespace=namespace, name=pod, subresource="status")
    await client.request("PATCH", path, {"status": {"conditions": conditions}}, content_type=MERGE)
