"""One round of one peer: latency of single objects, then a burst."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench import audit, processes
from bench.api_client import ApiClient, create_concurrently
from bench.bench_cluster import BenchCluster
from bench.bodies import CHILDREN, children_of, model_service
from bench.errors import BenchError
from bench.measures import Figures, Measure, PeerName, Sizes, percentile
from bench.object_watcher import ObjectWatcher, exists, is_observed, is_ready
from bench.peer_commands import user_of
from modelservice_operator.apimachinery.kinds import DEPLOYMENT, MODEL_SERVICE, ResourceKind

DRIVER = "admin"
"""User of the administrator's kubeconfig, who creates the ModelServices."""
_START_TIMEOUT = 60.0
_SECONDS_PER_OBJECT = 1.0
_MIN_SECONDS = 60.0
_SETTLE_SECONDS = 1.5
_WARM_UP = "warm-up"
_BURST = "burst"


@dataclass(frozen=True)
class RoundResult:
    """Results of one peer in one round."""

    figures: Figures
    requests: dict[str, float]
    """Requests for each object of the burst by "verb resource"."""


def measure_round(bench_cluster: BenchCluster, peer: PeerName, number: int, sizes: Sizes) -> RoundResult:
    """Run a peer in a separate namespace and measure it."""
    return asyncio.run(_measure(bench_cluster, peer, f"round-{number + 1}-{peer.replace('_', '-')}", sizes))


async def _measure(bench_cluster: BenchCluster, peer: PeerName, namespace: str, sizes: Sizes) -> RoundResult:
    async with open_driver(bench_cluster, namespace) as driver:
        with bench_cluster.run_peer(peer, namespace) as pid:
            await driver.warm_up()
            latencies = await driver.create_sequentially(peer, sizes.latency_objects)
            figures, requests = await _burst(driver, peer, pid, sizes.burst_objects)
            await driver.check_bodies(f"{_BURST}-0")
    latency = {
        Measure.MEDIAN_LATENCY: percentile(latencies, 0.5) * 1000,
        Measure.TAIL_LATENCY: percentile(latencies, 0.99) * 1000,
    }
    return RoundResult(figures | latency, requests)


async def _burst(driver: "Driver", peer: PeerName, pid: int, count: int) -> tuple[Figures, dict[str, float]]:
    """Create many objects concurrently and wait until all are ready."""
    window, server = driver.bench_cluster.open_audit_window(), driver.bench_cluster.server_pid
    before, server_before, started = processes.cpu_seconds(pid), processes.cpu_seconds(server), time.monotonic()
    await driver.create(_BURST, count, replicas=1)
    wall = time.monotonic() - started
    used, server_used = processes.cpu_seconds(pid) - before, processes.cpu_seconds(server) - server_before
    await asyncio.sleep(_SETTLE_SECONDS)
    # Requests for earlier objects do not count.
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
    """Creates ModelServices in one namespace as a user and waits for their children and readiness."""

    def __init__(self, bench_cluster: BenchCluster, client: ApiClient, namespace: str, ready: ObjectWatcher) -> None:
        self.bench_cluster = bench_cluster
        self._client = client
        self._namespace = namespace
        self._ready = ready

    @property
    def ready_count(self) -> int:
        """Number of ready objects."""
        return len(self._ready.names)

    async def warm_up(self) -> None:
        """Create objects until the peer has served one: then it has started.

        One object is not enough, because the raw client does not see objects from before its start.
        """
        for second in range(int(_START_TIMEOUT)):
            await self._client.request("POST", self._path(MODEL_SERVICE), self._body(f"{_WARM_UP}-{second}", 1))
            if await self._ready.holds_before_timeout(_any_warm_up, seconds=1):
                return
        raise BenchError(f"The peer served no object within {_START_TIMEOUT:g} s.")

    async def create(self, prefix: str, count: int, *, replicas: int) -> None:
        """Create objects concurrently and wait until all are ready."""
        names = {f"{prefix}-{number}" for number in range(count)}
        await create_concurrently(
            self._client, self._path(MODEL_SERVICE), [self._body(name, replicas) for name in names]
        )
        await self._ready.wait_until(
            names.issubset,
            seconds=max(_MIN_SECONDS, count * _SECONDS_PER_OBJECT),
            description=f"{count} ready objects",
        )

    async def create_sequentially(self, peer: PeerName, count: int) -> list[float]:
        """Create objects with 0 replicas, each after the previous one has its children; return their latencies.

        The times are those of the audit log: from the ModelService's request to the response of the last child.
        """
        window = self.bench_cluster.open_audit_window()
        async with AsyncExitStack() as stack:
            followers = [
                await stack.enter_async_context(
                    ObjectWatcher(self._client, self._path(kind), is_observed if kind is DEPLOYMENT else exists)
                )
                for kind in CHILDREN.values()
            ]
            for number in range(count):
                name = f"single-{number}"
                await self._client.request("POST", self._path(MODEL_SERVICE), self._body(name, 0))
                for follower in followers:
                    await follower.wait_until({name}.issubset, seconds=30, description=f"the children of {name}")
        await self._ready.wait_until(
            lambda names: all(f"single-{number}" in names for number in range(count)),
            seconds=_MIN_SECONDS,
            description="the readiness of the single objects",
        )
        latencies = audit.first_to_last(window.requests(user_of(peer)), window.requests(DRIVER), len(CHILDREN))
        if len(latencies) != count:
            raise BenchError(f"The audit log has {len(latencies)} of {count} single objects.")
        return list(latencies.values())

    async def check_bodies(self, name: str) -> None:
        """Raise BenchError unless the children of an object equal the template."""
        service = await self._client.request("GET", f"{self._path(MODEL_SERVICE)}/{name}")
        for child, body in children_of(service).items():
            live = await self._client.request("GET", f"{self._path(CHILDREN[child])}/{name}")
            if (where := difference(body["spec"], live["spec"], ".spec")) is not None:
                raise BenchError(f"The {child} of {name} differs from the template at {where}.")

    def _body(self, name: str, replicas: int) -> dict[str, Any]:
        return model_service(name, self._namespace, replicas=replicas)

    def _path(self, kind: ResourceKind) -> str:
        return kind.path(namespace=self._namespace)


def _any_warm_up(names: set[str]) -> bool:
    return any(name.startswith(_WARM_UP) for name in names)


def difference(desired: object, live: object, path: str) -> str | None:
    """Return the path of the first value of `desired` that `live` lacks; None if there is none."""
    if isinstance(desired, dict):
        if not isinstance(live, dict):
            return path
        found = (difference(value, live.get(name), f"{path}.{name}") for name, value in desired.items())
        return next((where for where in found if where), None)
    if isinstance(desired, list):
        if not isinstance(live, list) or len(live) != len(desired):
            return path
        found = (difference(*pair, f"{path}[{index}]") for index, pair in enumerate(zip(desired, live, strict=True)))
        return next((where for where in found if where), None)
    return None if desired == live else path


@asynccontextmanager
async def open_driver(bench_cluster: BenchCluster, namespace: str) -> AsyncIterator[Driver]:
    """Yield a driver for a namespace; create the namespace if it does not exist."""
    async with ApiClient(bench_cluster.cluster.kubeconfig) as client:
        listed = await client.request("GET", "/api/v1/namespaces")
        if namespace not in {body["metadata"]["name"] for body in listed["items"]}:
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            await client.request("POST", "/api/v1/namespaces", manifest)
        # Without it no pod can be created.
        async with ObjectWatcher(client, f"/api/v1/namespaces/{namespace}/serviceaccounts", exists) as accounts:
            await accounts.wait_until(
                lambda names: "default" in names, seconds=30, description="the default service account"
            )
        async with ObjectWatcher(client, MODEL_SERVICE.path(namespace=namespace), is_ready) as ready:
            yield Driver(bench_cluster, client, namespace, ready)
