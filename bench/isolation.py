"""Latency of objects while 30 objects of another namespace wait for an admission webhook that hangs."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.api_client import ApiClient, create_concurrently
from bench.bench_cluster import BenchCluster, start_bench_cluster
from bench.bodies import model_service
from bench.errors import BenchError
from bench.measures import PeerName, percentile
from bench.peer_commands import prepare
from bench.rounds import open_driver
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from tests.environment.cluster.wait import wait_until
from tests.environment.hanging_webhook import HangingWebhook, hanging_webhook

OBJECTS = 50
HANGING = 30
MAX_RATIO = 2.0
MAX_DELAY_SECONDS = 1.0
"""Delay that is allowed in addition to the ratio."""
_BLOCKED, _BEFORE, _DURING = "isolation-blocked", "isolation-before", "isolation-during"
_EVERYWHERE = ""
_WEBHOOK_SECONDS = 10
_START_TIMEOUT = 60.0
_OPERATOR = PeerName.MODELSERVICE


@dataclass(frozen=True)
class Isolation:
    """Latencies from the creation of a ModelService to its last child, in seconds."""

    before: list[float]
    during: list[float]
    calls: int
    """Calls of the webhook."""

    @property
    def limit(self) -> float:
        """Return the longest p99 that is allowed while objects hang, in seconds."""
        return MAX_RATIO * percentile(self.before, 0.99) + MAX_DELAY_SECONDS

    def check(self) -> None:
        """Raise BenchError if the objects that hang delay the others."""
        if percentile(self.during, 0.99) > self.limit:
            raise BenchError(f"Objects are delayed by those of another namespace. {self}")

    def __str__(self) -> str:
        return (
            f"Latency of {len(self.during)} objects: {_percentiles(self.before)}; while {HANGING} objects of"
            f" another namespace hang in admission ({self.calls} calls): {_percentiles(self.during)}"
            f" (limit: {self.limit * 1000:.0f} ms)."
        )


def _percentiles(seconds: list[float]) -> str:
    return f"p50 {percentile(seconds, 0.5) * 1000:.0f} ms, p99 {percentile(seconds, 0.99) * 1000:.0f} ms"


def measure_isolation(objects: int = OBJECTS) -> str:
    """Measure latencies with and without objects that hang; return them as text. Raises BenchError above the limit."""
    prepare((_OPERATOR,))
    with start_bench_cluster((_OPERATOR,)) as bench_cluster, bench_cluster.run_peer(_OPERATOR, _EVERYWHERE):
        before = asyncio.run(_latencies(bench_cluster, _BEFORE, objects))
        with _blocked_objects(bench_cluster) as webhook:
            during = asyncio.run(_latencies(bench_cluster, _DURING, objects))
            result = Isolation(before, during, webhook.calls)
    result.check()
    return str(result)


async def _latencies(bench_cluster: BenchCluster, namespace: str, objects: int) -> list[float]:
    async with open_driver(bench_cluster, namespace) as driver:
        await driver.warm_up()
        return await driver.create_sequentially(_OPERATOR, objects)


@contextmanager
def _blocked_objects(bench_cluster: BenchCluster) -> Iterator[HangingWebhook]:
    """Create the objects that hang, and wait until the first calls of the webhook do."""
    with hanging_webhook(bench_cluster.cluster, _BLOCKED, timeout_seconds=_WEBHOOK_SECONDS) as webhook:
        asyncio.run(_create_blocked(bench_cluster))
        wait_until(lambda: webhook.calls > 0, seconds=_START_TIMEOUT, what="calls of the webhook")
        yield webhook


async def _create_blocked(bench_cluster: BenchCluster) -> None:
    bodies = [model_service(f"blocked-{number}", _BLOCKED, replicas=0) for number in range(HANGING)]
    async with open_driver(bench_cluster, _BLOCKED), ApiClient(bench_cluster.cluster.kubeconfig) as client:
        await create_concurrently(client, MODEL_SERVICE.path(namespace=_BLOCKED), bodies)
