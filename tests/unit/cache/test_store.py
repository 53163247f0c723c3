"""The rules of the store, without a server. Lists and watches are tested on a real API server."""

from typing import Any

import pytest

from modelservice_operator.apimachinery.kinds import DEPLOYMENT
from modelservice_operator.apimachinery.objects import NamespacedName, Object
from modelservice_operator.cache.store import TOMBSTONE_TTL, Store
from tests.support.clock import ManualClock

KEY = NamespacedName("ml", "iris")


def deployment(name: str = "iris", *, version: int, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ml", "resourceVersion": str(version)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, **fields}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Store:
    return Store(DEPLOYMENT, clock=clock)


def names(*keys: NamespacedName) -> list[str]:
    return [key.name for key in keys]


def test_older_event_than_own_write_changes_nothing(store: Store) -> None:
    assert names(*store.upsert(deployment(version=7, spec="ours"))) == ["iris"]
    assert store.upsert(deployment(version=5, spec="old")) == ()
    assert store.upsert(deployment(version=7, spec="echo")) == ()
    assert store.get(KEY) == deployment(version=7, spec="ours")


def test_late_event_does_not_restore_a_deleted_object(store: Store) -> None:
    store.upsert(deployment(version=5))
    store.delete(deployment(version=6))
    store.upsert(deployment(version=5))
    assert store.get(KEY) is None
    store.upsert(deployment(version=8))
    assert store.get(KEY) is not None


def test_deletion_older_than_the_recreated_object_is_ignored(store: Store) -> None:
    store.upsert(deployment(version=9))
    assert store.delete(deployment(version=6)) == ()
    assert store.get(KEY) is not None


def test_deletion_of_an_unknown_object_affects_its_key(store: Store) -> None:
    assert names(*store.delete(deployment(version=6))) == ["iris"]


def test_objects_missing_in_a_list_are_removed_unless_newer(store: Store) -> None:
    store.upsert(deployment("gone", version=3))
    store.upsert(deployment("kept", version=4))
    store.upsert(deployment("ours", version=20))
    affected = store.remove_missing({NamespacedName("ml", "kept")}, 10)
    assert sorted(store.keys()) == [("ml", "kept"), ("ml", "ours")]
    assert names(*affected) == ["gone"]


def test_equal_update_affects_nothing(store: Store) -> None:
    assert names(*store.upsert(deployment(version=1, spec="same"))) == ["iris"]
    assert store.upsert(deployment(version=2, spec="same")) == ()
    assert store.get(KEY) == deployment(version=2, spec="same")


def test_index_finds_objects_by_the_keys_they_map_to() -> None:
    def map_func(body: Object) -> tuple[NamespacedName, ...]:
        return tuple(NamespacedName("ml", name) for name in body["of"])

    store = Store(DEPLOYMENT, map_func=map_func)
    assert names(*store.upsert(deployment("pod-b", version=1, of=["iris"]))) == ["iris"]
    assert names(*store.upsert(deployment("pod-a", version=2, of=["iris", "wine"]))) == ["iris", "wine"]
    assert [pod["metadata"]["name"] for pod in store.by_index(KEY)] == ["pod-a", "pod-b"]
    assert names(*store.upsert(deployment("pod-a", version=3, of=["wine"]))) == ["iris", "wine"]
    assert [pod["metadata"]["name"] for pod in store.by_index(KEY)] == ["pod-b"]
    assert names(*store.delete(deployment("pod-b", version=4))) == ["iris"]
    assert list(store.by_index(KEY)) == []


def test_objects_map_to_their_own_name_by_default(store: Store) -> None:
    store.upsert(deployment(version=1))
    assert [body["metadata"]["name"] for body in store.by_index(KEY)] == ["iris"]
    assert list(store.by_index(NamespacedName("ml", "wine"))) == []


def test_deletion_is_remembered_until_recreated(store: Store) -> None:
    assert not store.was_recently_deleted(KEY)
    store.upsert(deployment(version=1))
    store.delete(deployment(version=2))
    assert store.was_recently_deleted(KEY)
    store.upsert(deployment(version=3))
    assert not store.was_recently_deleted(KEY)


def test_tombstones_expire(store: Store, clock: ManualClock) -> None:
    store.delete(deployment(version=2))
    clock.seconds = TOMBSTONE_TTL - 1
    assert store.was_recently_deleted(KEY)
    clock.seconds = TOMBSTONE_TTL
    assert not store.was_recently_deleted(KEY)


def test_clear_removes_everything_without_tombstones(store: Store) -> None:
    store.upsert(deployment("a", version=1))
    store.upsert(deployment("b", version=2))
    assert sorted(names(*store.clear())) == ["a", "b"]
    assert len(store) == 0
    store.upsert(deployment("a", version=1))
    assert len(store) == 1


def test_list_after_a_rewind_replaces_newer_objects(store: Store) -> None:
    """The server was restored from a backup: its versions begin again below those that are stored."""
    store.upsert(deployment("changed", version=50, spec="lost"))
    store.upsert(deployment("same", version=51, spec="same"))
    store.upsert(deployment("lost", version=52))
    store.delete(deployment("back", version=53))
    store.rewind()
    assert sorted(names(*store.keys())) == ["changed", "lost", "same"], "nothing is gone in the meantime"
    assert names(*store.upsert(deployment("changed", version=20, spec="restored"))) == ["changed"]
    assert store.upsert(deployment("same", version=21, spec="same")) == ()
    assert names(*store.upsert(deployment("back", version=22))) == ["back"]
    listed = {NamespacedName("ml", name) for name in ("changed", "same", "back")}
    assert names(*store.remove_missing(listed, 30)) == ["lost"]
    assert store.get(NamespacedName("ml", "changed")) == deployment("changed", version=20, spec="restored")


def test_versions_are_compared_again_after_a_rewind(store: Store) -> None:
    store.upsert(deployment(version=50))
    store.rewind()
    store.upsert(deployment(version=20, spec="restored"))
    assert store.upsert(deployment(version=19, spec="late")) == ()
    assert store.get(KEY) == deployment(version=20, spec="restored")


def test_object_is_decoded_again_when_it_has_changed(store: Store) -> None:
    store.upsert(deployment(version=1, spec="old"))
    before = store.get(KEY)
    assert store.get(KEY) is before
    store.upsert(deployment(version=2, spec="new"))
    assert store.get(KEY) == deployment(version=2, spec="new")
    assert before == deployment(version=1, spec="old")
