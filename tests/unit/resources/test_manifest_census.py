"""The traits of public manifests of model servers are rendered as they are meant (tests/support/census)."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.census import CensusCase, cases, differences, lost, table

TRAITS, OBJECTS, MANIFESTS = 101, 111, 66
GOAL = 58
"""Manifests without loss. The others need a path of the node, a privileged container or an OpenShift Route."""
RENDERED = [case for case in cases() if not case.refused]


def test_census_is_complete() -> None:
    assert len({case.trait for case in cases()}) == len(cases()) >= OBJECTS
    assert sum(case.manifests > 0 for case in cases()) == TRAITS
    assert all(bool(case.refused) != bool(case.expected) for case in cases())


@pytest.mark.parametrize("case", RENDERED, ids=str)
def test_trait_is_rendered(case: CensusCase) -> None:
    assert case.problems() == []


def test_manifests_without_loss(figure: Callable[[str], None]) -> None:
    remaining = {manifest: blockers for manifest, blockers in lost().items() if blockers}
    for blocker, count, case in table():
        answer = f"refused ({case.refused})" if case.refused else case.differs or case.trait
        figure(f"census: {blocker} ({count}): {answer}")
    figure(f"census: {MANIFESTS - len(remaining)} of {MANIFESTS} manifests without loss; {remaining}")
    assert len(lost()) == MANIFESTS
    assert MANIFESTS - len(remaining) >= GOAL


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, None),
        ({"a": None}, {"a": 1}),
        ([1], [1, 2]),
        ([{"name": "a"}], [{"name": "b"}]),
        ([{"name": "a", "v": 1}], [{"name": "a", "v": 2}]),
        ([{"name": "a", "absent": True}], [{"name": "a"}]),
    ],
)
def test_differences_are_found(wanted: Any, found: Any) -> None:
    assert list(differences(wanted, found, "")) != []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"a": 1, "b": None}, {"a": 1, "c": 2}),
        ([{"name": "a", "v": 1}], [{"name": "b"}, {"name": "a", "v": 1, "w": 2}]),
        ([{"name": "a", "path": 1}, {"name": "a", "path": 2}], [{"name": "a", "path": 2}, {"name": "a", "path": 1}]),
        ([{"name": "a", "absent": True}], [{"name": "b"}]),
    ],
)
def test_additions_are_ignored(wanted: Any, found: Any) -> None:
    assert list(differences(wanted, found, "")) == []
