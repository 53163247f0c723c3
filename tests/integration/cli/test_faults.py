"""Requests of the command line through a proxy that injects faults before a real API server."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from modelservice_cli.cluster import connection
from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.kubeconfig import Choice, load_endpoint
from modelservice_cli.cluster.watching import follow
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from tests.environment.faults.actions import Drop, Reply
from tests.environment.faults.proxy import FaultProxy
from tests.environment.faults.rules import Answer, Cut, Moment, Rule
from tests.support.builders import model_service
from tests.support.namespace import NamespaceFixture

NAMES = ("iris-a", "iris-b", "iris-c")
SERVICES = MODEL_SERVICE.plural


def refusal(code: int, reason: str, **headers: str) -> Answer:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": "x"}
    return Answer(code, json.dumps(status).encode(), {"Content-Type": "application/json", **headers})


@pytest_asyncio.fixture
async def proxy(ns: NamespaceFixture, operator_kubeconfig: Path) -> AsyncIterator[FaultProxy]:
    """A proxy before the API server; the namespace has three ModelServices."""
    for name in NAMES:
        ns.apply(model_service().named(name).suspended())
    async with FaultProxy.before(operator_kubeconfig) as proxy:
        yield proxy


@pytest.fixture
def cluster(proxy: FaultProxy, ns: NamespaceFixture, operator_kubeconfig: Path, tmp_path: Path) -> Iterator[Cluster]:
    kubeconfig = proxy.kubeconfig(operator_kubeconfig, tmp_path / "config")
    with Cluster(load_endpoint(Choice(kubeconfig, namespace=ns.namespace))) as cluster:
        yield cluster


def names(cluster: Cluster) -> list[str]:
    return [one["metadata"]["name"] for one in cluster.list(MODEL_SERVICE)]


def queries(proxy: FaultProxy) -> list[str]:
    return [exchange.target.partition("?")[2] for exchange in proxy.exchanges]


async def test_list_that_expires_between_pages_starts_again(
    proxy: FaultProxy, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PAGE_SIZE", 1)
    proxy.rules.arm(Rule("list", SERVICES, 3, Moment.BEFORE, Reply(refusal(410, "Expired"))))
    assert await asyncio.to_thread(names, cluster) == list(NAMES)
    found = queries(proxy)
    assert [("limit=1" in query, "continue=" in query) for query in found] == [
        (True, False),
        (True, True),
        (True, True),
        (False, False),
    ]


@pytest.mark.parametrize("code", [429, 503])
async def test_busy_server_is_asked_again_after_its_time(proxy: FaultProxy, cluster: Cluster, code: int) -> None:
    proxy.rules.arm(Rule("list", SERVICES, 1, Moment.BEFORE, Reply(refusal(code, "Busy", **{"Retry-After": "2"}))))
    assert await asyncio.to_thread(names, cluster) == list(NAMES)
    first, second = (exchange.received for exchange in proxy.exchanges)
    assert second - first >= 2


async def test_connection_that_was_closed_is_opened_again(proxy: FaultProxy, cluster: Cluster) -> None:
    def list_twice() -> list[list[str]]:
        """In one thread, since each thread has a connection."""
        first = names(cluster)
        proxy.rules.arm(Rule("list", SERVICES, 1, Moment.BEFORE, Drop(Cut.CLOSE)))
        return [first, names(cluster)]

    assert await asyncio.to_thread(list_twice) == [list(NAMES)] * 2
    assert len(proxy.exchanges) == 3


async def test_response_that_is_cut_is_one_sentence(proxy: FaultProxy, cluster: Cluster) -> None:
    for nth in (1, 2):
        proxy.rules.arm(Rule("list", SERVICES, nth, Moment.COMMITTED, Drop(Cut.RESET)))
    with pytest.raises(CliError, match="Cannot reach the API server https://") as caught:
        await asyncio.to_thread(names, cluster)
    assert caught.value.code is ExitCode.UNREACHABLE


async def test_write_is_never_sent_twice(proxy: FaultProxy, cluster: Cluster) -> None:
    """A connection that ends after a write leaves open whether the API server has done it."""
    proxy.rules.arm(Rule("patch", SERVICES, 1, Moment.COMMITTED, Drop(Cut.CLOSE)))
    with pytest.raises(CliError):
        await asyncio.to_thread(cluster.patch, MODEL_SERVICE, "iris-a", {"spec": {"replicas": 2}})
    assert [exchange.call.verb for exchange in proxy.exchanges] == ["patch"]


async def test_watch_continues_after_streams_that_break(
    proxy: FaultProxy, cluster: Cluster, ns: NamespaceFixture
) -> None:
    seen: list[tuple[str, str]] = []

    def watch() -> None:
        for event, body in follow(cluster, MODEL_SERVICE):
            seen.append((event, body["metadata"]["name"]))
            if body["metadata"]["name"] == "iris-end":
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    await eventually(lambda: {name for _, name in seen} >= set(NAMES))
    await eventually(lambda: any(exchange.call.verb == "watch" for exchange in proxy.exchanges))
    proxy.rules.arm(Rule("watch", SERVICES, 1, Moment.BEFORE, Reply(refusal(410, "Expired"))))
    proxy.break_streams()
    await asyncio.to_thread(ns.kubectl, "delete", "msvc", "iris-c")
    await eventually(lambda: ("DELETED", "iris-c") in seen)
    async with proxy.down():
        await asyncio.sleep(1.5)
    await asyncio.to_thread(ns.apply, model_service().named("iris-end").suspended())
    await asyncio.to_thread(thread.join, 60)
    assert not thread.is_alive()
    assert [one for one in seen if one == ("ADDED", "iris-a")] == [("ADDED", "iris-a")], "nothing is repeated"


async def eventually(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
