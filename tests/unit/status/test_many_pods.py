"""The work of a reconcile grows with its pods, not with their square or with their texts."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelservice_operator.controller.pod_cache import PodCache
from modelservice_operator.status import compute_status, diagnose
from modelservice_operator.status.crashes import find_cause
from modelservice_operator.status.diagnosis import diagnose_pod
from modelservice_operator.status.pod_groups import MAX_EXAMINED_PODS, group_pods
from modelservice_operator.status.pods import Pod
from modelservice_operator.status.snapshot import Snapshot
from tests.support.failing_pods import PROBLEMS, failing_pods
from tests.support.pods import HASH, OLD_HASH, new_pod
from tests.support.snapshot_strategies import SNAPSHOTS
from tests.support.snapshots import NOW, deployment_status, reported, snapshot

FEW, MANY = 100, 1000


def snapshot_of(pods: Sequence[Pod]) -> Snapshot:
    counts = dict.fromkeys(("desired", "replicas", "updated"), len(pods))
    return snapshot(pods=tuple(pods), rollout=deployment_status(available=0, ready=0, **counts))


def look(bodies: list[dict[str, Any]], cache: PodCache) -> dict[str, Any]:
    """Do what a reconcile does with the pods: parse them, diagnose them with and without Events, compute the status."""
    found = snapshot_of(cache.parse(bodies, frozenset()))
    groups = diagnose(found).groups
    diagnosis = diagnose(found.with_pod_events(("Readiness probe failed: no",)), groups)
    return compute_status(found, diagnosis, previous={}, now=NOW)


def first_look(bodies: list[dict[str, Any]]) -> None:
    find_cause.cache_clear()
    look(bodies, PodCache())


def cpu_seconds(work: Callable[[], object], *, attempts: int = 3) -> float:
    """Return the CPU time of the fastest of several attempts: that of other processes does not count."""
    times = []
    for _ in range(attempts):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return min(times)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_diagnosis_takes_time_in_proportion_to_the_pods(problem: str) -> None:
    """Ten times the pods take at most twenty times as long; with the square of them, it would be a hundred times."""
    few, many, cache = failing_pods(problem, FEW), failing_pods(problem, MANY), PodCache()
    first_look(few)  # compiles the patterns
    look(many, cache)
    seconds = cpu_seconds(lambda: first_look(few)), cpu_seconds(lambda: first_look(many))
    later = cpu_seconds(lambda: look(many, cache))
    print(f"{problem}, {MANY:,} pods: first {seconds[1] * 1000:.1f} ms, later {later * 1000:.1f} ms of CPU")
    assert seconds[1] < 20 * seconds[0]
    assert later < seconds[1]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_few_pods_of_a_group_are_examined_and_all_are_counted(problem: str) -> None:
    found = snapshot_of([Pod.of(body) for body in failing_pods(problem, FEW)])
    [group] = group_pods(found.current_pods)
    message = (reported(found) or ("", "", ""))[2]
    assert (group.size, len(group.sample)) == (FEW, MAX_EXAMINED_PODS)
    assert problem in {"evicted", "unready"} or f"{FEW} of {FEW} pods" in message


@given(SNAPSHOTS)
def test_pods_of_a_group_have_the_same_reason(found: Snapshot) -> None:
    for group in group_pods(found.pods):
        findings = [diagnose_pod(pod, found) for pod in group.sample]
        assert len({finding and finding.reason for finding in findings}) == 1


def test_snapshot_with_events_keeps_what_its_pods_yield() -> None:
    found = snapshot_of([Pod.of(body) for body in failing_pods("unready", FEW)])
    pods, normalizer = found.current_pods, found.normalizer
    other = found.with_pod_events(("no",))
    assert (other.pod_event_messages, found.pod_event_messages) == (("no",), ())
    assert (other.current_pods, other.normalizer) == (pods, normalizer)


SUFFIXES = st.text("bcdfghjklmnpqrstvwxz2456789", min_size=5, max_size=5)


@given(
    st.lists(SUFFIXES, min_size=1, max_size=5), st.sampled_from([HASH, OLD_HASH]), st.sampled_from(["", " x", '"', ":"])
)
def test_normalize_removes_the_name_of_every_pod(suffixes: list[str], revision: str, end: str) -> None:
    pods = [new_pod().named(suffix).of_revision(revision) for suffix in suffixes]
    found = snapshot(*pods)
    for pod in pods:
        assert found.normalizer.normalize(f"of {pod.name}{end}") == f"of iris{end}".strip(" :")


def test_normalize_removes_names_that_are_cut() -> None:
    """Kubernetes cuts the name of a ReplicaSet to 58 characters in those of its pods."""
    names = [f"{'long-' * 11}abc{suffix}" for suffix in ("x2x7k", "bbbbb")]
    pods = tuple(Pod.of(body)._replace(name=name) for body, name in zip(failing_pods("unready", 2), names, strict=True))
    assert snapshot(pods=pods).normalizer.normalize(f"{names[0]} and {names[1]}, {names[0]}y") == "iris and iris, irisy"
