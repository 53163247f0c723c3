"""Builders of pods and ReplicaSets as a cluster reports them: start from a healthy one, change one thing by name."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

HASH = "6d4cf56db6"
OLD_HASH = "7b9c8d5f44"
DEPLOYMENT_UID = "99999999-8888-7777-6666-555555555555"
CREATED = "2026-01-02T03:00:00Z"
READY: dict[str, Any] = {"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": CREATED}


@dataclass(frozen=True)
class PodBuilder:
    """Builds a pod; each method returns a changed copy. The body is that of an API server of Kubernetes 1.37."""

    suffix: str = "x2x7k"
    revision: str = HASH
    phase: str = "Running"
    conditions: tuple[dict[str, Any], ...] = (
        {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": CREATED},
        {"type": "Initialized", "status": "True", "lastTransitionTime": CREATED},
        READY,
        {"type": "ContainersReady", "status": "True", "lastTransitionTime": CREATED},
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": CREATED},
    )
    containers: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            "model": {"ready": True, "started": True, "state": {"running": {"startedAt": CREATED}}}
        }
    )
    init_containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    gates: tuple[str, ...] = ()
    status: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"iris-{self.revision}-{self.suffix}"

    def named(self, suffix: str) -> Self:
        return replace(self, suffix=suffix)

    def of_revision(self, revision: str) -> Self:
        return replace(self, revision=revision)

    def labelled(self, labels: dict[str, str]) -> Self:
        """Replace the labels, for example by those of a Job's pod."""
        return replace(self, metadata=self.metadata | {"labels": labels})

    def created_at(self, time: str) -> Self:
        return replace(self, metadata=self.metadata | {"creationTimestamp": time})

    def being_deleted(self) -> Self:
        return replace(self, metadata={"deletionTimestamp": "2026-01-02T03:05:00Z"})

    def with_condition(self, kind: str, status: str, **fields: Any) -> Self:
        """Set a condition."""
        others = tuple(entry for entry in self.conditions if entry["type"] != kind)
        return replace(self, conditions=(*others, {"type": kind, "status": status, **fields}))

    def unready(self, reason: str = "ContainersNotReady") -> Self:
        return self.with_condition("Ready", "False", reason=reason, message="containers with unready status: [model]")

    def gated(self, *gates: str) -> Self:
        """Return a Pending pod that waits for its scheduling gates to be removed."""
        text = "Scheduling is blocked due to non-empty scheduling gates"
        return replace(self.unschedulable(text, "SchedulingGated"), gates=gates)

    def in_phase(self, phase: str, **status: Any) -> Self:
        return replace(self, phase=phase, status=status)

    def unschedulable(self, message: str, reason: str = "Unschedulable") -> Self:
        """Return a Pending pod of which no container was ever started."""
        scheduled = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
        return replace(self, phase="Pending", conditions=(scheduled,), containers={})

    def container(self, name: str = "model", *, init: bool = False, **status: Any) -> Self:
        """Replace a container's status, in a pod that is not ready."""
        entry = {name: {"ready": False, "started": False, **status}}
        if init:
            return replace(self.unready(), phase="Pending", init_containers=self.init_containers | entry)
        return replace(self.unready(), containers=self.containers | entry)

    def waiting(self, reason: str, message: str = "", *, name: str = "model", init: bool = False) -> Self:
        return self.container(name, init=init, state={"waiting": {"reason": reason, "message": message}})

    def running(self, *, started: bool, name: str = "model", **last: Any) -> Self:
        """Set a container that runs and is not ready; `last` is its previous termination."""
        status: dict[str, Any] = {"started": started, "state": {"running": {"startedAt": CREATED}}}
        return self.container(name, **status, lastState={"terminated": last} if last else {})

    def crashed(self, *, name: str = "model", init: bool = False, waits: bool = True, **ended: Any) -> Self:
        """Set a container that has terminated; if it `waits`, it is in CrashLoopBackOff."""
        how = {"exitCode": 1, "reason": "Error", "finishedAt": "2026-01-02T03:02:00Z", "startedAt": CREATED} | ended
        if not waits:
            return self.container(name, init=init, restartCount=0, state={"terminated": how})
        text = f"back-off 5m0s restarting failed container={name} pod={self.name}_ml(4a1c1a9e)"
        state = {"waiting": {"reason": "CrashLoopBackOff", "message": text}}
        return self.container(name, init=init, restartCount=7, state=state, lastState={"terminated": how})

    def body(self) -> dict[str, Any]:
        owner = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": f"iris-{self.revision}",
            "uid": f"aaaaaaaa-0000-0000-0000-00{self.revision}",
            "controller": True,
            "blockOwnerDeletion": True,
        }
        metadata = {
            "name": self.name,
            "generateName": f"iris-{self.revision}-",
            "namespace": "ml",
            "uid": "4a1c1a9e-4b0e-4b0c-9c53-2f3b1a7f0d11",
            "resourceVersion": "123456",
            "generation": 1,
            "creationTimestamp": CREATED,
            "labels": {
                "app.kubernetes.io/instance": "iris",
                "app.kubernetes.io/managed-by": "modelservice-operator",
                "app.kubernetes.io/name": "modelservice",
                "app.kubernetes.io/part-of": "modelservice",
                "pod-template-hash": self.revision,
            },
            "ownerReferences": [owner],
            "managedFields": [{"manager": "kubelet", "operation": "Update", "subresource": "status"}],
            **self.metadata,
        }
        spec = {"schedulingGates": [{"name": gate} for gate in self.gates]} if self.gates else {}
        status = {
            "phase": self.phase,
            "observedGeneration": 1,
            "conditions": list(self.conditions),
            "hostIP": "198.19.255.2",
            "podIP": "198.18.0.9",
            "startTime": CREATED,
            "initContainerStatuses": _statuses(self.init_containers),
            "containerStatuses": _statuses(self.containers),
            "qosClass": "Burstable",
            **self.status,
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


def _statuses(containers: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "image": "registry.local/iris:1", "imageID": "", "restartCount": 0, "lastState": {}, **status}
        for name, status in containers.items()
    ]


def new_pod() -> PodBuilder:
    """A healthy one of the current revision."""
    return PodBuilder()


def new_replica_set(
    revision: str = HASH, *, number: int = 2, refused: str | None = None, uid: str = DEPLOYMENT_UID, **metadata: Any
) -> dict[str, Any]:
    """Return a ReplicaSet of the Deployment; `refused` is the error with which its pods are rejected."""
    conditions = [
        {
            "type": "ReplicaFailure",
            "status": "True",
            "lastTransitionTime": CREATED,
            "reason": "FailedCreate",
            "message": refused,
        }
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"iris-{revision}",
            "namespace": "ml",
            "uid": f"aaaaaaaa-0000-0000-0000-00{revision}",
            "resourceVersion": "4711",
            "generation": 1,
            "creationTimestamp": CREATED,
            "labels": {"app.kubernetes.io/instance": "iris", "pod-template-hash": revision},
            "annotations": {
                "deployment.kubernetes.io/desired-replicas": "2",
                "deployment.kubernetes.io/max-replicas": "3",
                "deployment.kubernetes.io/revision": str(number),
            },
            "ownerReferences": [{"kind": "Deployment", "name": "iris", "uid": uid, "controller": True}],
            **metadata,
        },
        "spec": {"replicas": 2},
        "status": {"replicas": 2, "observedGeneration": 1} | ({"conditions": conditions} if refused else {}),
    }
