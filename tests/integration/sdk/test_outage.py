"""The SDK through a proxy before a real API server, which goes away for a while."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from modelservice import AsyncModelService, Cluster, ModelService, UnreachableError
from tests.environment.faults.proxy import FaultProxy
from tests.support.builders import IMAGE
from tests.support.namespace import NamespaceFixture


@pytest.fixture(scope="module")
def account(ns: NamespaceFixture) -> Path:
    """The kubeconfig of an administrator of the namespace with a token: certificates do not pass a proxy."""
    ns.kubectl("create", "serviceaccount", "author")
    ns.kubectl(
        "create", "rolebinding", "author", "--clusterrole=cluster-admin", f"--serviceaccount={ns.namespace}:author"
    )
    return ns.cluster.service_account_kubeconfig(ns.namespace, "author")


@pytest_asyncio.fixture
async def proxy(account: Path) -> AsyncIterator[FaultProxy]:
    """A proxy before the API server."""
    async with FaultProxy.before(account) as proxy:
        yield proxy


@pytest.fixture
def cluster(proxy: FaultProxy, account: Path, ns: NamespaceFixture, tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(kubeconfig=proxy.kubeconfig(account, tmp_path / "config"), namespace=ns.namespace)
    yield cluster
    cluster.close()


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_wait_continues_after_an_outage(proxy: FaultProxy, cluster: Cluster, *, is_async: bool) -> None:
    service = AsyncModelService("outage", image=IMAGE, suspend=True, cluster=cluster)
    await service.apply()
    same = ModelService("outage", image=IMAGE, suspend=True, cluster=cluster)
    wait = service.wait("Never", timeout=120) if is_async else asyncio.to_thread(same.wait, "Never", timeout=4)
    waiting = asyncio.create_task(wait)
    await asyncio.wait({waiting}, timeout=1)
    seen = len(proxy.exchanges)
    assert seen > 1
    async with proxy.down():
        await asyncio.wait({waiting}, timeout=1.2)
        assert not waiting.done()
    await asyncio.wait({waiting}, timeout=1.5)
    assert len(proxy.exchanges) > seen
    waiting.cancel()
    await asyncio.wait({waiting})
    await service.delete()


async def test_wait_ends_when_the_outage_is_longer(proxy: FaultProxy, cluster: Cluster) -> None:
    service = AsyncModelService("outage", image=IMAGE, suspend=True, cluster=cluster)
    await service.apply()
    waiting = asyncio.create_task(service.wait("Never", timeout=2))
    await asyncio.wait({waiting}, timeout=1)
    async with proxy.down():
        with pytest.raises(UnreachableError, match="Cannot reach the API server"):
            await waiting
        with pytest.raises(UnreachableError, match="Cannot reach the API server"):
            await service.wait("Never", timeout=60)  # the first request: nothing has answered yet
    await service.delete()
