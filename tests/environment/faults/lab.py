"""The fault lab: one control plane, its history and audit log, and lanes with an operator and a proxy each.

A lane's operator serves one namespace, so that lanes do not disturb each other; it is the program that users run.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.api_client import ApiClient

from tests.environment.audit import AuditLog
from tests.environment.cluster import Cluster, ClusterError
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.faults.history import History
from tests.environment.faults.proxy import FaultProxy
from tests.environment.faults.scenarios import Stage
from tests.environment.faults.state import KINDS, Place
from tests.support.installation import USER
from tests.support.operator import OperatorProcess

RESYNC = 1
"""Resync period of an operator in a sweep, in seconds."""
TWO_RESYNCS = 2 * 1.1 * RESYNC
"""Seconds in which an operator that jitters its resync by a tenth has reconciled everything twice."""
_AUDIT_TIMEOUT = 20.0
_BUGS = ("was never awaited", "exception was never retrieved", "Task was destroyed")


@dataclass(slots=True, eq=False)
class Lane:
    """One namespace, its operator and the proxy between it and the API server."""

    lab: "Lab"
    namespace: str
    proxy: FaultProxy
    operator: OperatorProcess
    _names: int = field(default=0, repr=False)

    def stage(self, prefix: str) -> Stage:
        """Return a stage under a name that no other one has, nor contains."""
        self._names += 1
        place = Place(self.lab.history, self.namespace, f"{prefix.lower()}-{self._names:03d}-x")
        return Stage(self.lab.client, place)

    async def start(self) -> None:
        """Start the operator and wait until it reconciles."""
        await asyncio.to_thread(self.operator.start)

    def kill(self) -> None:
        """Send SIGKILL; `ended` waits for it."""
        if self.operator.process is not None:
            self.operator.process.kill()

    async def ended(self) -> None:
        """Wait until the operator's process is gone."""
        if self.operator.process is not None:
            await asyncio.to_thread(self.operator.process.wait, 20)

    async def accounted(self) -> None:
        """Wait until each write has its answer in the proxy and its line in the audit log.

        The history contains a write before either of them.
        """

        def is_complete() -> bool:
            ids = (exchange.audit_id for exchange in self.proxy.exchanges if exchange.call.is_write)
            return not self.proxy.is_busy and self.lab.audit.holds(found for found in ids if found is not None)

        if not await eventually(is_complete, seconds=_AUDIT_TIMEOUT, pause=0.01):
            raise ClusterError("The audit log does not hold every write that was answered.")

    def silent_for(self, name: str, *, since: float) -> float:
        """Return the seconds, from `since` on, in which the operator has asked nothing about the objects of a name."""
        times = [e.received for e in self.proxy.exchanges if e.call.is_about(self.namespace, name)]
        return asyncio.get_running_loop().time() - max([since, *times])

    def bugs(self) -> list[str]:
        """Return the bugs that the operator's log shows (O5)."""
        words = [word for word in _BUGS if word in self.operator.log]
        return [f"O5: {text}" for text in (*self.operator.tracebacks, *words)]


@dataclass(frozen=True, slots=True)
class Lab:
    """A control plane under observation."""

    cluster: Cluster
    kubeconfig: Path
    """The operator's own."""
    folder: Path
    """For logs and kubeconfig files."""
    client: ApiClient
    history: History
    audit: AuditLog

    @asynccontextmanager
    async def lane(self, name: str, *arguments: str) -> AsyncIterator[Lane]:
        """Open a lane, with its operator running."""
        namespace = await asyncio.to_thread(create_namespace, self.cluster, name)
        async with FaultProxy.before(self.kubeconfig) as proxy:
            kubeconfig = proxy.kubeconfig(self.kubeconfig, self.folder / f"{namespace}.kubeconfig")
            log = self.folder / f"{namespace}.log"
            # An hour: so that looks for kinds without a CRD do not count among the requests.
            fixed = ("--namespace", namespace, "--discovery-seconds", "3600")
            lane = Lane(self, namespace, proxy, OperatorProcess(kubeconfig, log, (*fixed, *arguments)))
            try:
                await lane.start()
                yield lane
            finally:
                if lane.operator.is_running:
                    await asyncio.to_thread(lane.operator.stop)
                await asyncio.to_thread(self.cluster.run_kubectl, "delete", "namespace", namespace, "--wait=false")


@asynccontextmanager
async def open_lab(cluster: Cluster, kubeconfig: Path, folder: Path) -> AsyncIterator[Lab]:
    """Observe a control plane for the length of a `with` block."""
    async with ApiClient(cluster.kubeconfig) as client, History(client, KINDS) as history:
        yield Lab(cluster, kubeconfig, folder, client, history, AuditLog(cluster.audit_log_path(), USER))


async def eventually(condition: Callable[[], bool], *, seconds: float, pause: float = 0.05) -> bool:
    """Return True if a condition holds within `seconds`; for conditions without events, such as elapsed time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(pause)
    return True
