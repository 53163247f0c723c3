"""Faults of lists and watches on the way from the real API server: the caches come back, and nobody is hammered."""

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
NORMAL = 15.0
"""Seconds in which a new ModelService is ready: three times 5, since other things run on the same machine (O6)."""
RECOVERY = 45.0
"""Seconds until a watch is open again: the longest pause of the informer is 30."""
OUTAGE = 10.0


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lane(lab: Lab) -> AsyncIterator[Lane]:
    """An operator of this module's own."""
    async with lab.lane("informer-faults", "--resync-seconds", str(RESYNC)) as lane:
        yield lane


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def unharmed(lane: Lane) -> AsyncIterator[None]:
    """After each fault: the process has lived, a new ModelService becomes ready in normal time, no bug in the log."""
    process = lane.operator.process
    yield
    assert lane.operator.is_running
    assert lane.operator.process is process
    await a_ready_one(lane, "afterwards")
    assert lane.bugs() == []


def credentials(path: Path) -> Credentials:
    """Read a kubeconfig that the proxy wrote."""
    config = json.loads(path.read_text(encoding="utf-8"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = b64decode(cluster["certificate-authority-data"]).decode()
    return Credentials(cluster["server"], ssl.create_default_context(cadata=authority), user["token"])


async def a_ready_one(lane: Lane, name: str) -> Stage:
    stage = lane.stage(name)
    await stage.apply(model_service())
    await stage.until(lambda: stage.place.is_ready, "readiness in normal time", seconds=NORMAL)
    return stage


def requests(lane: Lane, verb: str, resource: str, *, since: int = 0) -> list[float]:
    """When the operator asked for something; `since` is a number of exchanges."""
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


async def answered(lane: Lane, verb: str, resource: str, given: Answer) -> Rule:
    """Have the next request of this kind answered so, once; return when it was."""
    rule = Rule(verb, resource, 1, Moment.BEFORE, Reply(given))
    lane.proxy.rules.arm(rule)
    lane.proxy.break_streams()
    async with asyncio.timeout(RECOVERY):
        await rule.fired.wait()
    lane.proxy.rules.disarm(rule)
    return rule


async def streamed(lane: Lane, filter_: Filter) -> StreamRule:
    """Have the next watch of ModelServices pass through a filter; return when it is open."""
    rule = StreamRule(SERVICES, 1, filter_)
    lane.proxy.rules.arm(rule)
    lane.proxy.break_streams()
    async with asyncio.timeout(RECOVERY):
        await rule.fired.wait()
    lane.proxy.rules.disarm(rule)
    return rule


async def listed_again(lane: Lane, *, since: int) -> None:
    assert await eventually(lambda: bool(requests(lane, "list", SERVICES, since=since)), seconds=RECOVERY)


async def test_watch_response_410_causes_a_relist(lane: Lane) -> None:
    since = len(lane.proxy.exchanges)
    await answered(lane, "watch", SERVICES, answer(410, "Expired"))
    await listed_again(lane, since=since)


async def test_watch_error_event_410_causes_a_relist(lane: Lane) -> None:
    async def expired(lines: Lines) -> Lines:
        yield json.dumps({"type": "ERROR", "object": status(410, "Expired")}).encode() + b"\n"
        async for line in lines:
            yield line

    since = len(lane.proxy.exchanges)
    await streamed(lane, expired)
    await listed_again(lane, since=since)


async def test_truncated_watch_event_is_read_again(lane: Lane) -> None:
    """The end of the stream in the middle of an event: the event comes again with the next watch."""

    async def torn(lines: Lines) -> Lines:
        async for line in lines:
            yield line[: len(line) // 2]
            return

    await streamed(lane, torn)
    await a_ready_one(lane, "torn")


async def test_malformed_watch_events_are_recovered(lane: Lane) -> None:
    async def nonsense(lines: Lines) -> Lines:
        yield b'{"type": "MODIF\n'
        async for line in lines:
            yield line

    since = len(lane.proxy.exchanges)
    await streamed(lane, nonsense)
    assert await eventually(lambda: len(requests(lane, "watch", SERVICES, since=since)) > 1, seconds=RECOVERY)


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
    for rule in rules:
        lane.proxy.rules.disarm(rule)
    figure(f"watches opened in 5 s against a server that ends each at once: {count}")
    assert 2 <= count <= 30


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_list_honours_retry_after(code: int, lane: Lane) -> None:
    """The server names the pause (RFC 9110, Retry-After); whoever asks earlier makes it worse."""
    seconds = 3
    await answered(lane, "watch", SERVICES, answer(410, "Expired"))
    refused = Rule("list", SERVICES, 1, Moment.BEFORE, Reply(answer(code, "Busy", **{"Retry-After": str(seconds)})))
    lane.proxy.rules.arm(refused)
    since = len(lane.proxy.exchanges)
    await answered(lane, "watch", SERVICES, answer(410, "Expired"))
    assert await eventually(lambda: len(requests(lane, "list", SERVICES, since=since)) > 1, seconds=RECOVERY)
    lane.proxy.rules.disarm(refused)
    first, second = requests(lane, "list", SERVICES, since=since)[:2]
    assert second - first >= seconds


@pytest.mark.parametrize("kind", [DEPLOYMENT, SERVICE], ids=lambda kind: kind.plural)
async def test_deletion_during_a_watch_gap_is_found_by_relist(kind: ResourceKind, lane: Lane) -> None:
    """No event ever tells of it: the next list does, by what it lacks."""
    stage = await a_ready_one(lane, "gap")
    await calm(lane, stage.place.name)
    expired = Rule("watch", kind.plural, 1, Moment.BEFORE, Reply(answer(410, "Expired")))
    async with lane.proxy.down():
        await stage.client.request("DELETE", kind.path(namespace=lane.namespace, name=stage.place.name))
        await stage.until(lambda: stage.place.child(kind) is None, "the end of the child")
        lane.proxy.rules.arm(expired)
    await stage.until(lambda: stage.place.child(kind) is not None, "the child to be made again", seconds=RECOVERY)
    lane.proxy.rules.disarm(expired)
    assert expired.fired.is_set()


async def test_silent_watch_is_reopened(lab: Lab, lane: Lane) -> None:
    """Half-open: no byte comes and no end. An informer with a shorter limit opens another watch."""

    async def silence(_: Lines) -> Lines:
        await asyncio.Event().wait()
        yield b""

    settings, silent = Settings(watch_idle_timeout=2.0), StreamRule(SERVICES, 1, silence)
    async with FaultProxy.before(lab.kubeconfig) as proxy:
        proxy.rules.arm(silent)
        path = proxy.kubeconfig(lab.kubeconfig, lab.folder / "silent.kubeconfig")
        async with RestClient(lambda: credentials(path), settings) as connection:
            spec, context = WatchSpec(kind=MODEL_SERVICE, coalesce=False), InformerContext(connection, settings)
            informer = Informer(spec, context, namespace=lane.namespace)
            task = asyncio.create_task(informer.run())
            async with asyncio.timeout(RECOVERY):
                await silent.fired.wait()
            stage = await a_ready_one(lane, "silent")
            key = NamespacedName(lane.namespace, stage.place.name)
            assert await eventually(lambda: informer.store.get(key) is not None, seconds=RECOVERY)
            task.cancel()
            await asyncio.wait([task])
        calls = [str(exchange.call) for exchange in proxy.exchanges]
    assert calls.count(f"watch {SERVICES}") > 1
    assert calls.count(f"list {SERVICES}") == 1, "what came before the silence is known still"


async def test_watches_reopen_after_an_api_server_outage(lane: Lane, figure: Callable[[str], None]) -> None:
    stage = await a_ready_one(lane, "outage")
    await calm(lane, stage.place.name)
    since = len(lane.proxy.exchanges)
    async with lane.proxy.down():
        await asyncio.sleep(OUTAGE)
        assert lane.operator.is_running
    started = time.monotonic()
    every = [kind.plural for kind in (MODEL_SERVICE, DEPLOYMENT, SERVICE)]
    assert await eventually(lambda: all(requests(lane, "watch", it, since=since) for it in every), seconds=RECOVERY)
    figure(f"watches open again after an outage of {OUTAGE:g} s: {time.monotonic() - started:.1f} s")
    assert len(lane.proxy.exchanges) - since < 60, "a storm"
    written = len(lane.lab.audit)
    await asyncio.sleep(TWO_RESYNCS)
    found = lane.lab.audit.of(lane.namespace, stage.place.name, start=written)
    assert [request for request in found if request.call.is_write] == []
