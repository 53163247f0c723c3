"""Explains why a pod is not scheduled: a scheduling gate, a claim, or requirements that no node meets."""

import re
from collections.abc import Iterator

from modelservice_operator.api.v1alpha1.scaling import RolloutOptions
from modelservice_operator.api.v1alpha1.spec import ModelServiceSpec
from modelservice_operator.status.advice import CLAIM_ADVICE, NO_SURGE, SCHEDULING_ADVICE, with_default_requests
from modelservice_operator.status.findings import Finding
from modelservice_operator.status.pods import Pod
from modelservice_operator.status.reasons import Reason
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import find_advice, normalize, truncate, with_full_stop

_KUEUE_GATE = "kueue.x-k8s.io/admission"
_KUEUE_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
_FRAGMENT = re.compile(r" preemption:.*|(?:\. not found\.?)+$")
"""Parts of a scheduler's message without a cause: the attempt to preempt other pods, or what it appends."""
_TAINT_KEY = re.compile(r"\{(?![\w.-]*kubernetes\.io/)([\w./-]+): ?[^}]*\}")
"""Key of a taint in a message of the scheduler, `untolerated taint {key: value}`."""


def unscheduled_finding(pod: Pod, snapshot: Snapshot) -> Finding:
    """Return the problem of a pod whose condition PodScheduled is False."""
    scheduled = pod.condition("PodScheduled")
    if scheduled.get("reason") == "SchedulingGated":
        return _gated_finding(pod, snapshot)
    message = normalize(scheduled.get("message") or scheduled.get("reason") or "", snapshot)
    cause = with_full_stop(truncate(_FRAGMENT.sub("", message) or "no reason given"))
    if waits_for_claim(pod):
        advice = find_advice(cause, CLAIM_ADVICE, otherwise="Check the PersistentVolumeClaims of the namespace.")
        return Finding(Reason.VOLUME_PENDING, f"{cause} {advice}")
    return Finding(Reason.UNSCHEDULABLE, f"cannot be scheduled: {cause} {_advice(cause, snapshot)}")


def waits_for_claim(pod: Pod) -> bool:
    """Return True if a pod is not scheduled because of a PersistentVolumeClaim or the volume that is bound to it."""
    cause, _, _ = str(pod.condition("PodScheduled").get("message") or "").partition(" preemption:")
    return "persistentvolumeclaim" in cause.lower() or "volume node affinity" in cause


def _advice(cause: str, snapshot: Snapshot) -> str:
    if advice := _surge_advice(cause, snapshot):
        return advice
    advice = find_advice(cause, SCHEDULING_ADVICE, otherwise="Change the pod's requirements, or add nodes.")
    if re.search(r"Insufficient (cpu|memory)\b", cause) is not None:
        advice = with_default_requests(advice, snapshot.service.spec)
    return " ".join((advice, *_closed_node_advice(cause)))


def _closed_node_advice(cause: str) -> Iterator[str]:
    """Yield the commands that open cordoned or tainted nodes to pods, for a message of the scheduler.

    The message has no names of nodes. Taints of Kubernetes itself, such as that of a control plane or disk-pressure,
    are left out: they have a purpose, or end with their cause.
    """
    if re.search(r"node\(s\) were unschedulable", cause):
        yield "For a cordoned node (SchedulingDisabled in kubectl get nodes): kubectl uncordon NODE."
    for key in sorted(set(_TAINT_KEY.findall(cause))):
        yield f"To remove the taint {key} from a node: kubectl taint nodes NODE {key}-."


def _gated_finding(pod: Pod, snapshot: Snapshot) -> Finding:
    gates = ", ".join(sorted(pod.scheduling_gates)) or "of another controller"
    text = f"not scheduled yet because of the scheduling gate {gates}"
    if _KUEUE_GATE not in pod.scheduling_gates:
        return Finding(Reason.SCHEDULING_GATED, f"{text}. The controller that set the gate must remove it.")
    queue = (snapshot.service.spec.pod_labels or {}).get(_KUEUE_QUEUE_LABEL)
    where = f"in the queue {queue}" if queue else "in a queue"
    workloads = f"kubectl get workloads -n {snapshot.service.metadata.namespace}"
    return Finding(Reason.SCHEDULING_GATED, f"{text}. Kueue admits the pod when it has quota {where}: {workloads}.")


def _surge_advice(cause: str, snapshot: Snapshot) -> str:
    """Return the advice for a rollout that waits for devices of the revision that it replaces; otherwise empty."""
    spec, rollout = snapshot.service.spec, snapshot.rollout
    devices = [name for name in _devices(spec) if re.search(rf"Insufficient {re.escape(name)}(?!\.?[\w/-])", cause)]
    desired = rollout.desired if rollout is not None else 0
    if not devices or not _keeps_old_pods(spec, desired) or not snapshot.has_old_pods:
        return ""
    return (
        f"Pods of the earlier revision hold {devices[0]} until the new ones are available, so the rollout cannot"
        f" progress. Set {NO_SURGE}."
    )


def _devices(spec: ModelServiceSpec) -> list[str]:
    """Return the names of the devices that a replica requests, such as nvidia.com/gpu."""
    resources = spec.resources
    amounts = {} if resources is None else {**(resources.requests or {}), **(resources.limits or {})}
    return sorted(name for name in amounts if "/" in name)


def _keeps_old_pods(spec: ModelServiceSpec, desired: int) -> bool:
    """Return True if a rollout deletes no old pod before a new one is available (apps/v1, maxUnavailable)."""
    value = (spec.rollout or RolloutOptions.default()).max_unavailable or "0"
    count = int(value[:-1]) * desired // 100 if value.endswith("%") else int(value)
    return count == 0
