"""Of a batch of events only the last state of each object is decoded, and a cache ends in the same state."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from modelservice_operator.apimachinery.kinds import POD
from modelservice_operator.cache.store import Store
from modelservice_operator.client.watch import newest_states

Event = dict[str, Any]


def event(kind: str, name: str, version: int, *, namespace: str = "models", generated: bool = False) -> Event:
    # The order of the fields is that of the API server.
    metadata = {"name": name, **({"generateName": f"{name}-"} if generated else {}), "namespace": namespace}
    metadata |= {"uid": f"{namespace}-{name}", "resourceVersion": str(version)}
    return {"type": kind, "object": {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {}}}


def encode(events: Sequence[Event]) -> list[bytes]:
    return [json.dumps(one, separators=(",", ":")).encode() for one in events]


def reduced(events: Sequence[Event]) -> list[tuple[str, int]]:
    decoded = [json.loads(line) for line in newest_states(encode(events))]
    return [(one["type"], int(one["object"]["metadata"]["resourceVersion"])) for one in decoded]


def test_last_state_of_each_object_stays_in_order() -> None:
    events = [event("ADDED", "a", 1), event("ADDED", "b", 2), event("MODIFIED", "a", 3), event("MODIFIED", "a", 4)]
    assert reduced(events) == [("ADDED", 2), ("MODIFIED", 4)]


def test_equal_names_of_two_namespaces_are_two_objects() -> None:
    events = [event("ADDED", "a", 1), event("MODIFIED", "a", 2, namespace="other")]
    assert reduced(events) == [("ADDED", 1), ("MODIFIED", 2)]


def test_generated_name_is_not_part_of_the_key() -> None:
    assert reduced([event("ADDED", "a", 1, generated=True), event("MODIFIED", "a", 2)]) == [("MODIFIED", 2)]


def test_deletion_stays() -> None:
    events = [event("MODIFIED", "a", 1), event("DELETED", "a", 2), event("ADDED", "a", 3)]
    assert reduced(events) == [("DELETED", 2), ("ADDED", 3)]
    assert reduced(events[:2]) == [("MODIFIED", 1), ("DELETED", 2)]


def test_unrecognized_lines_stay() -> None:
    bookmark = b'{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"5"}}}'
    error = b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"code":410}}'
    custom = b'{"type":"MODIFIED","object":{"apiVersion":"v1","kind":"HTTPRoute","metadata":{"name":"a"}}}'
    lines = [bookmark, custom, b"", b"no JSON", bookmark, custom, error]
    assert list(newest_states(lines)) == lines


@given(
    st.lists(
        st.tuples(st.sampled_from(["ADDED", "MODIFIED", "DELETED"]), st.sampled_from(["a", "b"]), st.booleans()),
        max_size=12,
    )
)
def test_cache_ends_in_the_same_state(changes: list[tuple[str, str, bool]]) -> None:
    events = [
        event(kind, name, version, generated=generated)
        for version, (kind, name, generated) in enumerate(changes, start=1)
    ]
    everything, newest = Store(POD), Store(POD)
    for store, lines in ((everything, encode(events)), (newest, newest_states(encode(events)))):
        for line in lines:
            one = json.loads(line)
            (store.delete if one["type"] == "DELETED" else store.upsert)(one["object"])
    for key in (*everything.keys(), *newest.keys()):
        assert newest.get(key) == everything.get(key)
