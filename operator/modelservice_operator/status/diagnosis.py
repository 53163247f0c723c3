"""Explains why pods are not ready: the most important problem of each pod, then of all pods, with a count."""

from collections import Counter
from dataclasses import dataclass

from modelservice_operator.status.admission import pod_creation_failure
from modelservice_operator.status.advice import FAILED_POD_ADVICE
from modelservice_operator.status.containers import (
    diagnose_container,
    may_fail_probe,
    starting_finding,
    waits_for_volumes,
)
from modelservice_operator.status.findings import Finding
from modelservice_operator.status.pod_groups import PodGroup, group_pods
from modelservice_operator.status.pods import Pod
from modelservice_operator.status.reasons import Reason
from modelservice_operator.status.scheduling import unscheduled_finding
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import find_advice, normalize, truncate, with_full_stop

_EXPLAINED_BY_EVENTS = frozenset({Reason.CRASH_LOOP, Reason.PROBE_FAILING, Reason.VOLUME_PENDING, Reason.STARTING})


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Problems of the pods of the current revision."""

    problem: Finding | None = None
    """The most important problem, with the number of pods that it affects."""
    pod_needing_events: Pod | None = None
    """The pod whose Events can explain the problem further; None if Events would not help."""
    groups: tuple[PodGroup, ...] = ()
    """The pods in groups, for another diagnosis of the same pods."""


def diagnose(snapshot: Snapshot, groups: tuple[PodGroup, ...] = ()) -> Diagnosis:
    """Diagnose the pods of the current revision, and failures to create further ones.

    The pods of a group have the same reason, so a few of each are examined and all are counted. `groups` are those of
    an earlier diagnosis, which saves grouping them again.
    """
    groups = groups or group_pods(snapshot.current_pods)
    troubled, counts = [], Counter[Reason]()
    for group in groups:
        found = [(pod, finding) for pod in group.sample if (finding := diagnose_pod(pod, snapshot)) is not None]
        troubled += found
        counts.update({finding.reason: group.size for _, finding in found[:1]})
    total = sum(not pod.has_ended for pod in snapshot.current_pods)
    findings = tuple(finding for _, finding in troubled)
    problem = _most_important(findings, pod_creation_failure(snapshot), counts, total)
    return Diagnosis(problem, _pod_needing_events(troubled), groups)


def diagnose_pod(pod: Pod, snapshot: Snapshot) -> Finding | None:
    """Return the most important problem of a pod; None if it is ready."""
    if pod.has_ended:
        return _failed_pod_finding(pod, snapshot)
    if pod.ready:
        return None
    if pod.condition("PodScheduled").get("status") == "False":
        return unscheduled_finding(pod, snapshot)
    unready = [container for container in pod.containers if not container.ready]
    if unready:
        findings = (diagnose_container(container, pod, snapshot) for container in unready)
        # The first of equal rank: containers of the pod start only after its init containers.
        return min(findings, key=lambda finding: finding.rank[0])
    return _pod_condition_finding(pod, snapshot)


def _most_important(
    findings: tuple[Finding, ...], creation_failure: Finding | None, counts: Counter[Reason], total: int
) -> Finding | None:
    """Return the problem to report. `counts` are the pods of each reason, `total` is the pods that have not ended."""
    candidates = findings if creation_failure is None else (*findings, creation_failure)
    worst = min(candidates, key=lambda finding: finding.rank, default=None)
    if worst is None or worst.covers_all_pods:
        return worst
    pods = "the only pod" if total == 1 else f"{counts[worst.reason]} of {total} pods"
    return Finding(worst.reason, f"{pods}: {worst.text}")


def _pod_needing_events(troubled: list[tuple[Pod, Finding]]) -> Pod | None:
    """Return the pod with the most important problem, if its Events can explain it further."""
    if not troubled:
        return None
    pod, finding = min(troubled, key=lambda pair: (pair[1].rank, pair[0].name))
    explained = waits_for_volumes(pod) or any(may_fail_probe(container) for container in pod.containers)
    return pod if finding.reason in _EXPLAINED_BY_EVENTS and explained else None


def _failed_pod_finding(pod: Pod, snapshot: Snapshot) -> Finding:
    cause = normalize(": ".join(part for part in (pod.reason, pod.message) if part), snapshot)
    cause = truncate(cause or "no reason given").rstrip(" .")
    advice = find_advice(cause, FAILED_POD_ADVICE, otherwise="")
    text = f"A pod failed ({cause}). A replacement is being created. {advice}".strip()
    return Finding(Reason.POD_FAILED, text, covers_all_pods=True)


def _pod_condition_finding(pod: Pod, snapshot: Snapshot) -> Finding:
    """Return the problem of an unready pod without unready containers."""
    if pod.phase != "Running":
        return starting_finding("the pod is starting", pod, snapshot)
    ready = pod.condition("Ready")
    if ready.get("reason") == "ReadinessGatesNotReady":
        cause = with_full_stop(truncate(normalize(ready.get("message") or "a readiness gate is not set", snapshot)))
        return Finding(Reason.POD_NOT_READY, f"{cause} The controller that manages the readiness gate must set it.")
    text = "the containers are ready but the pod is not: its node may be lost. Check the nodes: kubectl get nodes."
    return Finding(Reason.POD_NOT_READY, text)
