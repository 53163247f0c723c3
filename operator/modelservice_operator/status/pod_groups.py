"""Groups pods that have the same problem, so that only some of each group are examined in detail.

A ModelService can have thousands of pods with a problem, and is reconciled each time that one of them changes: the work
must not grow with the texts that they report.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from modelservice_operator.resources.metadata import is_loader_name
from modelservice_operator.status.containers import KILL_EXIT_CODES, loader_reason, waits_for_volumes
from modelservice_operator.status.pods import Container, Pod, Termination
from modelservice_operator.status.scheduling import waits_for_claim

MAX_EXAMINED_PODS = 3
"""Pods of a group whose texts are read. Those of the others are usually the same."""


@dataclass(frozen=True, slots=True)
class PodGroup:
    """Pods whose problem has the same reason."""

    size: int
    sample: tuple[Pod, ...]
    """Pods to examine: the first ones."""


def group_pods(pods: Iterable[Pod]) -> tuple[PodGroup, ...]:
    """Return the groups of `pods`, in the order of their first ones."""
    groups: dict[Hashable, list[Pod]] = {}
    for pod in pods:
        groups.setdefault(_group_key(pod), []).append(pod)
    return tuple(PodGroup(len(group), tuple(group[:MAX_EXAMINED_PODS])) for group in groups.values())


def _group_key(pod: Pod) -> Hashable:
    """Return all of a pod that decides about the reason of its problem: states and reasons, but no texts."""
    if pod.ready:
        return pod.phase, pod.reason
    scheduled = pod.condition("PodScheduled")
    is_unscheduled = scheduled.get("status") == "False"
    return (
        pod.phase,
        pod.reason,
        pod.condition("Ready").get("reason"),
        is_unscheduled and (scheduled.get("reason"), waits_for_claim(pod)),
        waits_for_volumes(pod),
        tuple([_container_key(container) for container in pod.containers if not container.ready]),
    )


def _container_key(container: Container) -> Hashable:
    last = container.last_termination
    ended = None if last is None else (last.reason, _exit_key(container, last))
    return container.name, container.init, container.waiting, container.running, container.started, ended


def _exit_key(container: Container, last: Termination) -> Hashable:
    """Return what an exit code means: programs may exit with any."""
    if is_loader_name(container.name) and last.exit_code != 0:
        return loader_reason(last), last.exit_code in KILL_EXIT_CODES
    return last.exit_code == 0, last.exit_code in KILL_EXIT_CODES
