"""Informers notify of changes by other clients, and InformerSet finds the informer of a namespace."""

from collections.abc import Callable

import pytest

from modelservice_operator.apimachinery.kinds import DEPLOYMENT
from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.cache.informer import Informer, InformerContext, WatchSpec
from modelservice_operator.cache.informers import InformerSet
from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.rest import RestClient
from modelservice_operator.settings import Settings
from tests.unit.cache.test_store import KEY, deployment

BuildInformer = Callable[[str], Informer]


@pytest.fixture
def notified() -> list[str]:
    """Names of the keys that were notified."""
    return []


@pytest.fixture
def build_informer(notified: list[str]) -> BuildInformer:
    settings = Settings()
    client = RestClient(lambda: Credentials("http://127.0.0.1:9", None, None), settings)

    def on_change(key: NamespacedName) -> None:
        notified.append(key.name)

    def build(namespace: str) -> Informer:
        context = InformerContext(client, settings)
        return Informer(WatchSpec(kind=DEPLOYMENT), context, namespace=namespace, on_change=on_change)

    return build


def test_every_affected_key_is_notified_once(build_informer: BuildInformer, notified: list[str]) -> None:
    informer = build_informer("")
    informer.upsert(deployment("gone", version=3))
    informer.upsert(deployment("kept", version=4))
    informer.remove_missing({NamespacedName("ml", "kept")}, 10)
    informer.delete(deployment("kept", version=11))
    assert notified == ["gone", "kept", "gone", "kept"]


def test_own_write_is_not_notified(build_informer: BuildInformer, notified: list[str]) -> None:
    informer = build_informer("")
    InformerSet({DEPLOYMENT: [informer]}).upsert(DEPLOYMENT, deployment(version=2, spec="ours"))
    informer.upsert(deployment(version=2, spec="ours"))
    assert notified == []
    assert informer.store.get(KEY) == deployment(version=2, spec="ours")
    informer.upsert(deployment(version=3, spec="theirs"))
    assert notified == ["iris"]


def test_each_namespace_has_its_own_cache(build_informer: BuildInformer) -> None:
    members = [build_informer(namespace) for namespace in ("a", "ml")]
    informers = InformerSet({DEPLOYMENT: members})
    informers.upsert(DEPLOYMENT, deployment(version=1))
    assert (len(members[0].store), len(members[1].store)) == (0, 1)
    assert informers.get(DEPLOYMENT, KEY) is not None
    assert list(informers.keys(DEPLOYMENT)) == [KEY]
    informers.delete(DEPLOYMENT, deployment(version=2))
    assert informers.get(DEPLOYMENT, KEY) is None
    assert informers.was_recently_deleted(DEPLOYMENT, KEY)
    assert informers.by_index(DEPLOYMENT, KEY) == ()
