"""The cache's own rules, fed by hand. Lists and watches are tested on a real API server."""

from typing import Any

import pytest

from modelservice_operator.apimachinery.kinds import DEPLOYMENT
from modelservice_operator.apimachinery.objects import NamespacedName, Object
from modelservice_operator.cache.informer import Informer, InformerSet
from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.rest import RestClient
from modelservice_operator.settings import Settings


def an_object(name: str = "iris", *, version: int, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ml", "resourceVersion": str(version)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, **fields}


class Heard(list[str]):
    """Names of the objects that changed."""

    def hear(self, key: NamespacedName) -> None:
        self.append(key[1])


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def informer(heard: Heard) -> Informer:
    settings = Settings()
    connection = RestClient(lambda: Credentials("http://127.0.0.1:9", None, None), settings)
    return Informer(DEPLOYMENT, connection, settings, on_change=heard.hear)


KEY = NamespacedName("ml", "iris")


def test_an_older_event_than_our_own_write_changes_nothing(informer: Informer, heard: Heard) -> None:
    informer.upsert(an_object(version=7, spec="ours"))
    informer.upsert(an_object(version=5, spec="old"))
    informer.upsert(an_object(version=7, spec="echo"))
    assert informer.get(KEY) == an_object(version=7, spec="ours")
    assert heard == ["iris"]


def test_a_late_event_does_not_bring_back_what_is_gone(informer: Informer) -> None:
    informer.upsert(an_object(version=5))
    informer.delete(an_object(version=6))
    informer.upsert(an_object(version=5))
    assert informer.get(KEY) is None
    informer.upsert(an_object(version=8))
    assert informer.get(KEY) is not None


def test_a_deletion_older_than_the_recreated_object_is_stale(informer: Informer) -> None:
    informer.upsert(an_object(version=9))
    informer.delete(an_object(version=6))
    assert informer.get(KEY) is not None


def test_a_deletion_of_something_unknown_is_heard_all_the_same(informer: Informer, heard: Heard) -> None:
    informer.delete(an_object(version=6))
    assert heard == ["iris"]


def test_what_a_list_lacks_is_gone_unless_we_wrote_it_later(informer: Informer, heard: Heard) -> None:
    informer.upsert(an_object("gone", version=3))
    informer.upsert(an_object("kept", version=4))
    informer.upsert(an_object("ours", version=20))
    informer._remove_missing({NamespacedName("ml", "kept")}, 10)  # noqa: SLF001 - the rule itself, without a server
    assert sorted(informer.keys()) == [("ml", "kept"), ("ml", "ours")]
    assert heard[3:] == ["gone"]


def test_several_namespaces_have_one_cache_each(heard: Heard) -> None:
    settings = Settings()
    connection = RestClient(lambda: Credentials("http://127.0.0.1:9", None, None), settings)
    members = [Informer(DEPLOYMENT, connection, settings, namespace=name, on_change=heard.hear) for name in ("a", "ml")]
    informers = InformerSet({DEPLOYMENT: members})
    informers.upsert(DEPLOYMENT, an_object(version=1))
    assert (len(members[0]), len(members[1])) == (0, 1)
    assert informers.get(DEPLOYMENT, KEY) is not None
    assert list(informers.keys(DEPLOYMENT)) == [KEY]
    informers.delete(DEPLOYMENT, an_object(version=2))
    assert informers.get(DEPLOYMENT, KEY) is None


def test_a_new_version_in_which_nothing_is_new_is_taken_in_silence(informer: Informer, heard: Heard) -> None:
    informer.upsert(an_object(version=1, spec="same"))
    informer.upsert(an_object(version=2, spec="same"))
    assert heard == ["iris"]
    assert informer.get(KEY) == an_object(version=2, spec="same")


def test_an_object_of_another_name_is_found_by_whom_it_concerns(heard: Heard) -> None:
    settings = Settings()
    connection = RestClient(lambda: Credentials("http://127.0.0.1:9", None, None), settings)

    def concerns(body: Object) -> tuple[NamespacedName, ...]:
        return tuple(NamespacedName("ml", name) for name in body["of"])

    cache = Informer(DEPLOYMENT, connection, settings, map_func=concerns, on_change=heard.hear)
    pods = InformerSet({DEPLOYMENT: [cache]})
    cache.upsert(an_object("pod-b", version=1, of=["iris"]))
    cache.upsert(an_object("pod-a", version=2, of=["iris", "wine"]))
    assert [pod["metadata"]["name"] for pod in pods.by_index(DEPLOYMENT, KEY)] == ["pod-a", "pod-b"]
    cache.upsert(an_object("pod-a", version=3, of=["wine"]))
    assert heard == ["iris", "iris", "wine", "iris", "wine"]
    assert [pod["metadata"]["name"] for pod in pods.by_index(DEPLOYMENT, KEY)] == ["pod-b"]
    pods.delete(DEPLOYMENT, an_object("pod-b", version=4))
    assert heard[5:] == ["iris"]
    assert pods.by_index(DEPLOYMENT, KEY) == ()


def test_nobody_is_told_of_what_we_wrote_ourselves(heard: Heard) -> None:
    connection = RestClient(lambda: Credentials("http://127.0.0.1:9", None, None), Settings())
    cache = Informer(DEPLOYMENT, connection, Settings(), on_change=heard.hear)
    InformerSet({DEPLOYMENT: [cache]}).upsert(DEPLOYMENT, an_object(version=2, spec="ours"))
    cache.upsert(an_object(version=2, spec="ours"))
    assert heard == []
    assert cache.get(KEY) == an_object(version=2, spec="ours")
    cache.upsert(an_object(version=3, spec="theirs"))
    assert heard == ["iris"]


def test_without_an_index_an_object_concerns_its_own_name(informer: Informer) -> None:
    informer.upsert(an_object(version=1))
    assert [body["metadata"]["name"] for body in informer.by_index(KEY)] == ["iris"]
    assert list(informer.by_index(NamespacedName("ml", "wine"))) == []


def test_what_went_is_known_until_it_is_there_again(informer: Informer) -> None:
    assert not informer.was_recently_deleted(KEY)
    informer.upsert(an_object(version=1))
    informer.delete(an_object(version=2))
    assert informer.was_recently_deleted(KEY)
    informer.upsert(an_object(version=3))
    assert not informer.was_recently_deleted(KEY)
