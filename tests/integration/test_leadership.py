"""A leader that cannot prove its leadership writes nothing: electors and writes against a real API server."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from modelservice_operator.apimachinery.kinds import LEASE
from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import LeadershipLostError, NotFoundError, OperatorError
from modelservice_operator.manager.leader_election import LeaderElectionConfig, LeaderElector, default_lease_name
from modelservice_operator.settings import Settings
from tests.environment.cluster import Cluster
from tests.environment.faults.actions import Delay, Drop
from tests.environment.faults.proxy import FaultProxy
from tests.environment.faults.rules import Moment, Rule
from tests.support.installation import NAMESPACE

CONFIG = LeaderElectionConfig(lease_duration=4, renew_deadline=2.5, retry_period=0.2, rollback_delay=4)
HANGS = 20.0
MISSING = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/missing"


@pytest_asyncio.fixture
async def proxy(control_plane: Cluster, operator_kubeconfig: Path) -> AsyncIterator[FaultProxy]:
    assert control_plane.kubeconfig.exists()
    async with FaultProxy.before(operator_kubeconfig) as proxy:
        yield proxy


class Candidate:
    """An elector, and the client whose writes it allows."""

    def __init__(self, proxy: FaultProxy, kubeconfig: Path, name: str, *, version: str = "1.0.0") -> None:
        user = json.loads(kubeconfig.read_text())["users"][0]["user"]
        tls = ssl.create_default_context(cadata=proxy.authority.pair.certificate.decode())
        credentials = Credentials(proxy.url, tls, user["token"])
        self.client = RestClient(lambda: credentials, Settings(), check_write=self._check_leadership)
        self.elector = LeaderElector(
            self.client, namespace=NAMESPACE, name=name, identity=uuid4().hex, version=version, config=CONFIG
        )

    def _check_leadership(self) -> None:
        self.elector.check_leadership()

    async def write(self) -> None:
        """Send a write that changes nothing."""
        await self.client.request("DELETE", MISSING)


Create = Callable[..., Candidate]


@pytest.fixture
def create(proxy: FaultProxy, operator_kubeconfig: Path) -> Create:
    """Creates candidates for the Lease of this test."""
    lease = f"test-{uuid4().hex[:8]}"

    def create(name: str = lease, version: str = "1.0.0") -> Candidate:
        return Candidate(proxy, operator_kubeconfig, name, version=version)

    return create


@asynccontextmanager
async def leading(candidate: Candidate) -> AsyncIterator[Candidate]:
    """Wait until a candidate leads."""
    async with candidate.client:
        async with asyncio.timeout(30):
            await candidate.elector.acquire()
        yield candidate


def writes(proxy: FaultProxy) -> list[str]:
    """Return the writes that were sent, without those of Leases."""
    calls = [exchange.call for exchange in proxy.exchanges if exchange.call.is_write]
    return [str(call) for call in calls if call.resource != LEASE.plural]


async def test_leader_stops_at_its_deadline_when_a_renewal_hangs(proxy: FaultProxy, create: Create) -> None:
    async with leading(create()) as leader:
        proxy.rules.arm(Rule("update", LEASE.plural, 2, Moment.BEFORE, Delay(HANGS)))
        started = time.monotonic()
        with pytest.raises(LeadershipLostError):
            await leader.elector.renew_forever()
        assert CONFIG.renew_deadline < time.monotonic() - started < CONFIG.lease_duration


async def test_hanging_renewal_is_repeated_within_the_deadline(proxy: FaultProxy, create: Create) -> None:
    async with leading(create()) as leader:
        proxy.rules.arm(Rule("update", LEASE.plural, 1, Moment.BEFORE, Drop()))
        proxy.rules.arm(Rule("update", LEASE.plural, 2, Moment.COMMITTED, Drop()))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(leader.elector.renew_forever(), 2 * CONFIG.renew_deadline)
        leader.elector.check_leadership()


async def test_writes_need_leadership(proxy: FaultProxy, create: Create) -> None:
    candidate = create()
    async with candidate.client:
        with pytest.raises(LeadershipLostError):
            await candidate.write()
        await candidate.elector.acquire()
        with pytest.raises(OperatorError) as refused:
            await candidate.write()
        assert not isinstance(refused.value, LeadershipLostError)
        assert len(writes(proxy)) == 1
        await candidate.elector.release()
        with pytest.raises(LeadershipLostError):
            await candidate.write()
    assert len(writes(proxy)) == 1


async def test_paused_leader_writes_nothing_before_it_notices(proxy: FaultProxy, create: Create) -> None:
    """The process was stopped, or its event loop blocked: workers run before the renewal does."""
    async with leading(create()) as leader:
        renewing = asyncio.create_task(leader.elector.renew_forever())
        await asyncio.sleep(0)
        time.sleep(CONFIG.renew_deadline)  # noqa: ASYNC251 - blocks the loop on purpose
        with pytest.raises(LeadershipLostError):
            await leader.write()
        with pytest.raises(NotFoundError):
            await leader.client.request("GET", MISSING)
        with pytest.raises(LeadershipLostError):
            await renewing
    assert writes(proxy) == []


async def test_lost_response_to_the_acquisition_does_not_block(proxy: FaultProxy, create: Create) -> None:
    proxy.rules.arm(Rule("create", LEASE.plural, 1, Moment.COMMITTED, Drop()))
    async with leading(create()) as leader:
        leader.elector.check_leadership()


async def test_older_version_leaves_the_lease_to_a_newer_one(create: Create) -> None:
    """Another replica of the newer version takes over, after a release of the Lease and after a SIGKILL."""
    async with leading(create(version="1.10.0")) as first:
        await first.elector.release()
    older, newer = create(version="1.9.0"), create(version="1.10.0")
    async with older.client, newer.client:
        waiting = asyncio.create_task(older.elector.acquire())
        await asyncio.sleep(CONFIG.retry_period)
        await asyncio.wait_for(newer.elector.acquire(), 30)
        newer.elector.check_leadership()
        assert not waiting.done()
        # No newer one is left: the older one leads after the delay.
        await asyncio.wait_for(waiting, 3 * (CONFIG.lease_duration + CONFIG.rollback_delay))
        older.elector.check_leadership()


async def test_installs_for_other_namespaces_share_a_lease_namespace(create: Create) -> None:
    suffix = uuid4().hex[:8]
    first, second = (create(name=default_lease_name([f"{name}-{suffix}"])) for name in ("a", "b"))
    async with leading(first), leading(second):
        first.elector.check_leadership()
        second.elector.check_leadership()
