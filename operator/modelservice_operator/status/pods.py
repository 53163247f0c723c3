"""Pods as cached by the operator, typed: state and last termination of each container.

Named tuples: a thousand pods are parsed in one turn of the event loop, and a frozen dataclass takes twice the time.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple, Self

from modelservice_operator.apimachinery.well_known import TEMPLATE_HASH

Body = Mapping[str, Any]
_ENDED_PHASES = frozenset({"Failed", "Succeeded"})


class Termination(NamedTuple):
    """Termination of a container (core/v1, ContainerStateTerminated)."""

    reason: str
    exit_code: int
    message: str
    time: str
    """RFC 3339, as reported by the API server; empty if unknown."""

    @classmethod
    def of(cls, body: Body) -> Self:
        """Parse a `terminated` state."""
        return cls(
            reason=body.get("reason") or "",
            exit_code=body.get("exitCode") or 0,
            message=body.get("message") or "",
            time=body.get("finishedAt") or "",
        )


class Container(NamedTuple):
    """State of one container (core/v1, ContainerStatus)."""

    name: str
    init: bool
    ready: bool
    started: bool
    running: bool
    waiting: str
    """Reason of the waiting state; empty if the container is not waiting."""
    message: str
    """Message of the waiting state."""
    last_termination: Termination | None
    """Termination of the current or of the previous run."""

    @classmethod
    def of(cls, body: Body, *, init: bool) -> Self:
        """Parse a container status."""
        state = body.get("state") or {}
        waiting = state.get("waiting") or {}
        terminated = state.get("terminated") or (body.get("lastState") or {}).get("terminated")
        return cls(
            name=body.get("name") or "",
            init=init,
            ready=bool(body.get("ready")),
            started=bool(body.get("started")),
            running="running" in state,
            waiting=waiting.get("reason") or "",
            message=waiting.get("message") or "",
            last_termination=Termination.of(terminated) if terminated else None,
        )


class Pod(NamedTuple):
    """One pod of the ModelService."""

    name: str
    uid: str
    created: str
    """Creation time, RFC 3339: the only time of a pod that does not depend on the clock of its node."""
    owner_uid: str
    """UID of the controller: a ReplicaSet or a Job; empty if there is none."""
    labels: Mapping[str, str]
    terminating: bool
    """The pod is being deleted."""
    phase: str
    reason: str
    message: str
    ip: str
    """Address; empty unless the loader runs."""
    scheduling_gates: tuple[str, ...]
    """Names of the gates that keep the pod from being scheduled (KEP-3521)."""
    conditions: Mapping[str, Body]
    containers: tuple[Container, ...]
    """Containers that are not ready or have terminated before; init containers first."""

    @classmethod
    def of(cls, body: Body, *, sidecars: Collection[str] = ()) -> Self:
        """Parse a cached Pod (see `controller.transforms.transform_pod`).

        `sidecars` are the init containers that keep running (KEP-753): their states are those of other containers.
        """
        metadata, status = body["metadata"], body.get("status") or {}
        init_containers = [
            Container.of(entry, init=entry.get("name") not in sidecars)
            for entry in status.get("initContainerStatuses") or ()
        ]
        containers = [Container.of(entry, init=False) for entry in status.get("containerStatuses") or ()]
        gates = (body.get("spec") or {}).get("schedulingGates")
        return cls(
            name=metadata["name"],
            uid=metadata.get("uid") or "",
            created=metadata.get("creationTimestamp") or "",
            owner_uid=_controller_uid(metadata.get("ownerReferences") or ()),
            labels=metadata.get("labels") or {},
            terminating=bool(metadata.get("deletionTimestamp")),
            phase=status.get("phase") or "",
            reason=status.get("reason") or "",
            message=status.get("message") or "",
            ip=status.get("podIP") or "",
            scheduling_gates=tuple([gate.get("name") or "" for gate in gates]) if gates else (),
            conditions={entry.get("type", ""): entry for entry in status.get("conditions") or ()},
            containers=(*init_containers, *containers),
        )

    @property
    def has_ended(self) -> bool:
        """Return True if no container will run again (core/v1, PodPhase)."""
        return self.phase in _ENDED_PHASES

    @property
    def template_hash(self) -> str | None:
        """Label that the pod shares with its ReplicaSet (apps/v1)."""
        return self.labels.get(TEMPLATE_HASH)

    @property
    def ready(self) -> bool:
        """Return True if the condition Ready is True."""
        return self.condition("Ready").get("status") == "True"

    @property
    def started_containers(self) -> frozenset[str]:
        """Names of the containers of `containers` that run or have run."""
        return frozenset(entry.name for entry in self.containers if entry.running or entry.last_termination)

    def condition(self, kind: str) -> Body:
        """Return a condition; empty if it is missing, as conditions that hold are not cached."""
        return self.conditions.get(kind) or {}


def _controller_uid(owners: Iterable[Body]) -> str:
    for owner in owners:
        if owner.get("controller"):
            return str(owner.get("uid") or "")
    return ""
