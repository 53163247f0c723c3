"""Faults of lists and watches of a real API server: the caches recover, and requests back off."""

import asyncio
import json
import ssl
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from modelservice_operator.apimachinery.kinds import DEPLOYMENT, MODEL_SERVICE, SERVICE, ResourceKind
from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.cache.informer import Informer, InformerContext, WatchSpec
from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.rest import RestClient
from modelservice_operator.settings import Settings
from tests.environment.faults.actions import Reply
from tests.environment.faults.lab import RESYNC, TWO_RESYNCS, Lab, Lane, eventually
from tests.environment.faults.proxy import FaultProxy
from tests.environment.faults.recording import calm
from tests.environment.faults.rules import Answer, Filter, Lines, Moment, Rule, StreamRule
from tests.environment.faults.scenarios import Stage
from tests.support.builders import model_service

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICES = MODEL_SERVICE.plural
READY_TIMEOUT = 28.0
"""Seconds until a new ModelService is ready: less than the informer's maximum backoff (O6)."""
RECOVERY_TIMEOUT = 45.0
"""Seconds until a watch is open again: the informer's maximum backoff is 30."""
OUTAGE_SECONDS = 10.0


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lane(lab: Lab) -> AsyncIterator[Lane]:
    """An operator for this module."""
    async with lab.lane("informer-faults", "--resync-seconds", str(RESYNC)) as lane:
        yield lane


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def check_recovery(lane: Lane) -> AsyncIterator[None]:
    """After each fault the same process runs, a new ModelService becomes ready in time, and the log has no bug."""
    process = lane.operator.process
    yield
    assert lane.operator.is_running
    assert lane.operator.process is process
    await apply_and_wait_ready(lane, "afterwards")
    assert lane.bugs() == []


def credentials(path: Path) -> Credentials:
    """Read a kubeconfig that the proxy wrote."""
    config = json.loads(path.read_text(encoding="utf-8"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = b64decode(cluster["certificate-authority-data"]).decode()
    return Credentials(cluster["server"], ssl.create_default_context(cadata=authority), user["token"])


async def apply_and_wait_ready(lane: Lane, name: str) -> Stage:
    stage = lane.stage(name)
    await stage.apply(model_service())
    await stage.until(lambda: stage.place.is_ready, "readiness in time", seconds=READY_TIMEOUT)
    return stage


def requests(lane: Lane, verb: str, resource: str, *, since: int = 0) -> list[float]:
    """Return the times of the operator's requests, from exchange number `since` on."""
    found = lane.proxy.exchanges[since:]
    return [exchange.received for exchange in found if (exchange.call.verb, exchange.call.resource) == (verb, resource)]


def status(code: int, reason: str) -> dict[str, object]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": reason,
    }


def answer(code: int, reason: str, **headers: str) -> Answer:
    body = json.dumps(status(code, reason)).encode()
    return Answer(code, body, {"Content-Type": "application/json", **headers})


async def answer_next(lane: Lane, verb: str, resource: str, response: Answer) -> Rule:
    """Answer the next request of this kind with `response`, and wait until that has happened."""
    rule = Rule(verb, resource, 1, Moment.BEFORE, Reply(response))
    lane.proxy.rules.arm(rule)
    lane.proxy.break_streams()
    async with asyncio.timeout(RECOVERY_TIMEOUT):
        await rule.fired.wait()
    lane.proxy.rules.disarm(rule)
    return rule


async def filter_next_watch(lane: Lane, filter_: Filter) -> StreamRule:
    """Pass the next watch of ModelServices through a filter, and wait until it is open."""
    rule = StreamRule(SERVICES, 1, filter_)
    lane.proxy.rules.arm(rule)
    lane.proxy.break_streams()
    async with asyncio.timeout(RECOVERY_TIMEOUT):
        await rule.fired.wait()
    lane.proxy.rules.disarm(rule)
    return rule


async def wait_for_relist(lane: Lane, *, since: int) -> None:
    assert await eventually(lambda: bool(requests(lane, "list", SERVICES, since=since)), seconds=RECOVERY_TIMEOUT)


async def test_watch_response_410_causes_a_relist(lane: Lane) -> None:
    since = len(lane.proxy.exchanges)
    await answer_next(lane, "watch", SERVICES, answer(410, "Expired"))
    await wait_for_relist(lane, since=since)


async def test_watch_error_event_410_causes_a_relist(lane: Lane) -> None:
    async def expired(lines: Lines) -> Lines:
        yield json.dumps({"type": "ERROR", "object": status(410, "Expired")}).encode() + b"\n"
        async for line in lines:
            yield line

    since = len(lane.proxy.exchanges)
    await filter_next_watch(lane, expired)
    await wait_for_relist(lane, since=since)


async def test_truncated_watch_event_is_read_again(lane: Lane) -> None:
    """The stream ends in the middle of an event; the next watch sends the event again."""

    async def truncated(lines: Lines) -> Lines:
        async for line in lines:
            yield line[: len(line) // 2]
            return

    await filter_next_watch(lane, truncated)
    await apply_and_wait_ready(lane, "torn")


async def test_malformed_watch_events_are_recovered(lane: Lane) -> None:
    async def malformed(lines: Lines) -> Lines:
        yield b'{"type": "MODIF\n'
        async for line in lines:
            yield line

    since = len(lane.proxy.exchanges)
    await filter_next_watch(lane, malformed)
    assert await eventually(lambda: len(requests(lane, "watch", SERVICES, since=since)) > 1, seconds=RECOVERY_TIMEOUT)


async def test_watches_back_off_when_streams_end_immediately(lane: Lane, figure: Callable[[str], None]) -> None:
    async def nothing(_: Lines) -> Lines:
        return
        yield

    rules = [StreamRule(SERVICES, nth, nothing) for nth in range(1, 1000)]
    for rule in rules:
        lane.proxy.rules.arm(rule)
    since = len(lane.proxy.exchanges)
    lane.proxy.break_streams()
    await asyncio.sleep(5)
    count = len(requests(lane, "watch", SERVICES, since=since))
    assert await eventually(lambda: len(requests(lane, "watch", SERVICES, since=since)) > 1, seconds=RECOVERY_TIMEOUT)
    for rule in rules:
        lane.proxy.rules.disarm(rule)
    figure(f"watches opened in 5 s while the server ends each immediately: {count}")
    assert count <= 30


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_list_honours_retry_after(code: int, lane: Lane) -> None:
    """The server sends Retry-After (RFC 9110); an earlier request would add to its load."""
    seconds = 3
    await answer_next(lane, "watch", SERVICES, answer(410, "Expired"))
    refused = Rule("list", SERVICES, 1, Moment.BEFORE, Reply(answer(code, "Busy", **{"Retry-After": str(seconds)})))
    lane.proxy.rules.arm(refused)
    since = len(lane.proxy.exchanges)
    await answer_next(lane, "watch", SERVICES, answer(410, "Expired"))
    assert await eventually(lambda: len(requests(lane, "list", SERVICES, since=since)) > 1, seconds=RECOVERY_TIMEOUT)
    lane.proxy.rules.disarm(refused)
    first, second = requests(lane, "list", SERVICES, since=since)[:2]
    assert second - first >= seconds


@pytest.mark.parametrize("kind", [DEPLOYMENT, SERVICE], ids=lambda kind: kind.plural)
async def test_deletion_during_a_watch_gap_is_found_by_relist(kind: ResourceKind, lane: Lane) -> None:
    """No watch event reports the deletion: the object is missing in the next list."""
    stage = await apply_and_wait_ready(lane, "gap")
    await calm(lane, stage.place.name)
    expired = Rule("watch", kind.plural, 1, Moment.BEFORE, Reply(answer(410, "Expired")))
    async with lane.proxy.down():
        await stage.client.request("DELETE", kind.path(namespace=lane.namespace, name=stage.place.name))
        await stage.until(lambda: stage.place.child(kind) is None, "deletion of the child")
        lane.proxy.rules.arm(expired)
    await stage.until(lambda: stage.place.child(kind) is not None, "re-creation of the child", seconds=RECOVERY_TIMEOUT)
    lane.proxy.rules.disarm(expired)
    assert expired.fired.is_set()


def calls(proxy: FaultProxy) -> list[str]:
    return [str(exchange.call) for exchange in proxy.exchanges]


async def send_nothing(_: Lines) -> Lines:
    await asyncio.Event().wait()
    yield b""


async def send_one_line(lines: Lines) -> Lines:
    async for line in lines:
        yield line
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("filter_", "settings"),
    [
        (send_nothing, Settings(watch_timeout=(2, 2), watch_end_timeout=1.0)),
        (send_one_line, Settings(watch_timeout=(2, 2), watch_end_timeout=60.0, watch_idle_timeout=2.0)),
    ],
    ids=["from the start", "after an event"],
)
async def test_silent_watch_is_reopened(lab: Lab, lane: Lane, filter_: Filter, settings: Settings) -> None:
    """A half-open connection sends no byte and no end, not even when the watch's duration is over."""
    silent = StreamRule(SERVICES, 1, filter_)
    async with FaultProxy.before(lab.kubeconfig) as proxy:
        proxy.rules.arm(silent)
        path = proxy.kubeconfig(lab.kubeconfig, lab.folder / "silent.kubeconfig")
        async with RestClient(lambda: credentials(path), settings) as connection:
            spec, context = WatchSpec(kind=MODEL_SERVICE, coalesce=False), InformerContext(connection, settings)
            informer = Informer(spec, context, namespace=lane.namespace)
            task = asyncio.create_task(informer.run())
            async with asyncio.timeout(RECOVERY_TIMEOUT):
                await silent.fired.wait()
            stage = await apply_and_wait_ready(lane, "silent")
            key = NamespacedName(lane.namespace, stage.place.name)
            assert await eventually(lambda: informer.store.get(key) is not None, seconds=RECOVERY_TIMEOUT)
            assert await eventually(lambda: calls(proxy).count(f"watch {SERVICES}") > 1, seconds=RECOVERY_TIMEOUT)
            task.cancel()
            await asyncio.wait([task])
    assert calls(proxy).count(f"list {SERVICES}") == 1, "objects from before the silence are still cached"


async def test_watches_reopen_after_an_api_server_outage(lane: Lane, figure: Callable[[str], None]) -> None:
    stage = await apply_and_wait_ready(lane, "outage")
    await calm(lane, stage.place.name)
    since = len(lane.proxy.exchanges)
    async with lane.proxy.down():
        await asyncio.sleep(OUTAGE_SECONDS)
        assert lane.operator.is_running
    started = time.monotonic()
    every = [kind.plural for kind in (MODEL_SERVICE, DEPLOYMENT, SERVICE)]
    assert await eventually(
        lambda: all(requests(lane, "watch", it, since=since) for it in every), seconds=RECOVERY_TIMEOUT
    )
    figure(f"watches open again after an outage of {OUTAGE_SECONDS:g} s: {time.monotonic() - started:.1f} s")
    assert len(lane.proxy.exchanges) - since < 60, "too many requests"
    written = len(lane.lab.audit)
    await asyncio.sleep(TWO_RESYNCS)
    found = lane.lab.audit.of(lane.namespace, stage.place.name, start=written)
    assert [request for request in found if request.call.is_write] == []
