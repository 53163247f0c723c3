"""The patch of a client-side apply, as kubectl computes it for custom resources."""

from typing import Any

import pytest

from modelservice_cli.cluster.apply import three_way_patch


@pytest.mark.parametrize(
    ("last", "wanted", "live", "patch"),
    [
        ({}, {"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}),
        ({"a": 1, "b": 1}, {"a": 1}, {"a": 1, "b": 1}, {"b": None}),
        ({"a": 1, "b": 1}, {"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 1}, {"a": 1, "of another client": 1}, {}),
        ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 1}),
        ({"s": {"x": 1, "y": 1}}, {"s": {"x": 1}}, {"s": {"x": 1, "y": 1, "z": 1}}, {"s": {"y": None}}),
        ({"s": {"x": 1}}, {}, {"s": {"x": 1, "z": 1}}, {"s": None}),
        ({"l": [1, 2]}, {"l": [1]}, {"l": [1, 2, 3]}, {"l": [1]}),
        ({}, {"s": {"x": {"y": 1}}}, {"s": {}}, {"s": {"x": {"y": 1}}}),
        ({}, {"s": {"x": 1}}, {"s": [1]}, {"s": {"x": 1}}),
    ],
)
def test_patch_sets_what_differs_and_removes_what_left(last: Any, wanted: Any, live: Any, patch: Any) -> None:
    assert three_way_patch(last, wanted, live) == patch
