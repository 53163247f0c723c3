from typing import Any

import pytest

from modelservice_operator.controller import pod_cache
from modelservice_operator.controller.pod_cache import MIN_CACHED_PODS, PodCache
from modelservice_operator.status.pods import Pod
from tests.support.failing_pods import failing_pods


def bodies(count: int) -> list[dict[str, Any]]:
    return failing_pods("unready", count)


@pytest.mark.parametrize("count", [0, 1, MIN_CACHED_PODS - 1, MIN_CACHED_PODS])
def test_parsed_pods_are_those_of_the_bodies(count: int) -> None:
    assert PodCache().parse(bodies(count), frozenset()) == tuple(Pod.of(body) for body in bodies(count))


def test_only_a_changed_pod_is_parsed_again() -> None:
    cache, old = PodCache(), bodies(MIN_CACHED_PODS)
    before = cache.parse(old, frozenset())
    changed = {**old[0], "metadata": old[0]["metadata"] | {"resourceVersion": "999"}, "status": {"phase": "Failed"}}
    after = cache.parse([changed, *old[1:]], frozenset())
    assert after[0].phase == "Failed"
    assert [one is other for one, other in zip(after, before, strict=True)] == [False, *[True] * (MIN_CACHED_PODS - 1)]


def test_pod_is_parsed_again_for_other_sidecars() -> None:
    cache, found = PodCache(), bodies(MIN_CACHED_PODS)
    assert cache.parse(found, frozenset())[0] is not cache.parse(found, frozenset({"proxy"}))[0]


def test_pod_that_was_parsed_first_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_cache, "_MAX_PODS", MIN_CACHED_PODS)
    cache, found = PodCache(), bodies(MIN_CACHED_PODS + 1)
    before = cache.parse(found[:-1], frozenset())
    cache.parse(found[1:], frozenset())
    after = cache.parse(found[1:], frozenset())
    assert [one is other for one, other in zip(after, before[1:], strict=False)] == [True] * (MIN_CACHED_PODS - 1)
    assert cache.parse(found[:-1], frozenset())[0] is not before[0]
