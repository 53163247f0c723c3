"""One round of one peer: latency of single objects, then a burst."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench import audit, processes
from bench.api_client import ApiClient, in_parallel
from bench.arena import Arena
from bench.bodies import CHILDREN, children_of, model_service
from bench.contestants import user_of
from bench.errors import BenchError
from bench.following import Follower, exists, is_observed, is_ready
from bench.measures import Figures, Measure, PeerName, Sizes, percentile
from modelservice_operator.apimachinery.kinds import DEPLOYMENT, MODEL_SERVICE, ResourceKind

DRIVER = "admin"
"""User of the administrator's kubeconfig, who creates the ModelServices."""
_SECONDS_TO_START = 60.0
_SECONDS_AN_OBJECT = 1.0
_LEAST_SECONDS = 60.0
_SETTLE = 1.5
_WARM_UP = "warm-up"
_BURST = "burst"


@dataclass(frozen=True)
class RoundResult:
    """What one round found of one peer."""

    figures: Figures
    requests: dict[str, float]
    """Requests for each object of the burst by "verb resource"."""


def measure_round(arena: Arena, peer: PeerName, number: int, sizes: Sizes) -> RoundResult:
    """Run a peer in a namespace of its own and measure it."""
    return asyncio.run(_measure(arena, peer, f"round-{number + 1}-{peer.replace('_', '-')}", sizes))


async def _measure(arena: Arena, peer: PeerName, namespace: str, sizes: Sizes) -> RoundResult:
    async with driving(arena, namespace) as driver:
        with arena.running(peer, namespace) as pid:
            await driver.warm_up()
            latencies = await driver.one_by_one(peer, sizes.latency_objects)
            figures, requests = await _burst(driver, peer, pid, sizes.burst_objects)
            await driver.check_bodies(f"{_BURST}-0")
    latency = {
        Measure.MEDIAN_LATENCY: percentile(latencies, 0.5) * 1000,
        Measure.TAIL_LATENCY: percentile(latencies, 0.99) * 1000,
    }
    return RoundResult(figures | latency, requests)


async def _burst(driver: "Driver", peer: PeerName, pid: int, count: int) -> tuple[Figures, dict[str, float]]:
    """Create many objects at once and wait until all are ready."""
    window, server = driver.arena.audit(), driver.arena.server_pid
    before, server_before, started = processes.cpu_seconds(pid), processes.cpu_seconds(server), time.monotonic()
    await driver.create(_BURST, count, replicas=1)
    wall = time.monotonic() - started
    used, server_used = processes.cpu_seconds(pid) - before, processes.cpu_seconds(server) - server_before
    await asyncio.sleep(_SETTLE)
    # What is left to do for earlier objects is not theirs.
    requests = [request for request in window.requests(user_of(peer)) if request.call.name.startswith(_BURST)]
    figures = {
        Measure.BURST: wall,
        Measure.CPU: used * 1000 / count,
        Measure.SERVER_CPU: server_used * 1000 / count,
        Measure.OWN_WRITES: sum(request.is_write for request in requests) / count,
    }
    return figures, per_object(audit.by_verb(requests), count)


def per_object(requests: Counter[str], count: int) -> dict[str, float]:
    """Return counts for each of `count` objects."""
    return {name: number / count for name, number in sorted(requests.items())}


class Driver:
    """The user who creates ModelServices in one namespace and waits for what becomes of them."""

    def __init__(self, arena: Arena, client: ApiClient, namespace: str, ready: Follower) -> None:
        self.arena = arena
        self._client = client
        self._namespace = namespace
        self._ready = ready

    @property
    def ready(self) -> int:
        """How many objects are ready."""
        return len(self._ready.names)

    async def warm_up(self) -> None:
        """Return when the peer has served one object: it has started then, whoever it is.

        Further ones follow until then: the raw client does not see what was there before it.
        """
        for second in range(int(_SECONDS_TO_START)):
            await self._client.request("POST", self._path(MODEL_SERVICE), self._body(f"{_WARM_UP}-{second}", 1))
            if await self._ready.holds_within(_any_warm_up, seconds=1):
                return
        raise BenchError(f"The peer served no object within {_SECONDS_TO_START:g} s.")

    async def create(self, prefix: str, count: int, *, replicas: int) -> None:
        """Create objects, several at once, and return when all are ready."""
        names = {f"{prefix}-{number}" for number in range(count)}
        await in_parallel(self._client, self._path(MODEL_SERVICE), [self._body(name, replicas) for name in names])
        await self._ready.until(
            names.issubset,
            seconds=max(_LEAST_SECONDS, count * _SECONDS_AN_OBJECT),
            what=f"{count} ready objects",
        )

    async def one_by_one(self, peer: PeerName, count: int) -> list[float]:
        """Create objects of no replicas, each when the one before has its children; return the seconds it took.

        The times are the API server's own: from the ModelService's arrival to the answer to the last child's creation.
        """
        window = self.arena.audit()
        async with AsyncExitStack() as stack:
            followers = [
                await stack.enter_async_context(
                    Follower(self._client, self._path(kind), is_observed if kind is DEPLOYMENT else exists)
                )
                for kind in CHILDREN.values()
            ]
            for number in range(count):
                name = f"single-{number}"
                await self._client.request("POST", self._path(MODEL_SERVICE), self._body(name, 0))
                for follower in followers:
                    await follower.until({name}.issubset, seconds=30, what=f"the children of {name}")
        await self._ready.until(
            lambda names: all(f"single-{number}" in names for number in range(count)),
            seconds=_LEAST_SECONDS,
            what="the readiness of the single objects",
        )
        took = audit.first_to_last(window.requests(user_of(peer)), window.requests(DRIVER), len(CHILDREN))
        if len(took) != count:
            raise BenchError(f"The audit log tells of {len(took)} of {count} single objects.")
        return list(took.values())

    async def check_bodies(self, name: str) -> None:
        """Raise BenchError unless the children of an object are the ones that every peer was asked for."""
        service = await self._client.request("GET", f"{self._path(MODEL_SERVICE)}/{name}")
        for child, body in children_of(service).items():
            live = await self._client.request("GET", f"{self._path(CHILDREN[child])}/{name}")
            if (where := difference(body["spec"], live["spec"], ".spec")) is not None:
                raise BenchError(f"The {child} of {name} differs from what was asked for at {where}.")

    def _body(self, name: str, replicas: int) -> dict[str, Any]:
        return model_service(name, self._namespace, replicas=replicas)

    def _path(self, kind: ResourceKind) -> str:
        return kind.path(namespace=self._namespace)


def _any_warm_up(names: set[str]) -> bool:
    return any(name.startswith(_WARM_UP) for name in names)


def difference(want: object, have: object, path: str) -> str | None:
    """Return where `have` lacks what `want` says, None where it says the same or more."""
    if isinstance(want, dict):
        if not isinstance(have, dict):
            return path
        found = (difference(value, have.get(name), f"{path}.{name}") for name, value in want.items())
        return next((where for where in found if where), None)
    if isinstance(want, list):
        if not isinstance(have, list) or len(have) != len(want):
            return path
        found = (difference(*pair, f"{path}[{index}]") for index, pair in enumerate(zip(want, have, strict=True)))
        return next((where for where in found if where), None)
    return None if want == have else path


@asynccontextmanager
async def driving(arena: Arena, namespace: str) -> AsyncIterator[Driver]:
    """Work in a namespace, making it where it is not there."""
    async with ApiClient(arena.cluster.kubeconfig) as client:
        listed = await client.request("GET", "/api/v1/namespaces")
        if namespace not in {body["metadata"]["name"] for body in listed["items"]}:
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            await client.request("POST", "/api/v1/namespaces", manifest)
        # Without it no pod can be created.
        async with Follower(client, f"/api/v1/namespaces/{namespace}/serviceaccounts", exists) as accounts:
            await accounts.until(lambda names: "default" in names, seconds=30, what="the default service account")
        async with Follower(client, MODEL_SERVICE.path(namespace=namespace), is_ready) as ready:
            yield Driver(arena, client, namespace, ready)
