"""Pods as cached by the operator, typed: state and last termination of each container."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from modelservice_operator.resources.metadata import TEMPLATE_HASH

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod of the ModelService."""

    name: str
    uid: str
    labels: Mapping[str, str]
    terminating: bool
    """The pod is being deleted."""
    phase: str
    reason: str
    message: str
    conditions: Mapping[str, Body]
    containers: tuple[Container, ...]
    """Containers that are not ready or have terminated before; init containers first."""

    @classmethod
    def of(cls, body: Body) -> Self:
        """Parse a cached Pod (see `controller.transforms.transform_pod`)."""
        metadata, status = body["metadata"], body.get("status") or {}
        init_containers = (Container.of(entry, init=True) for entry in status.get("initContainerStatuses") or ())
        containers = (Container.of(entry, init=False) for entry in status.get("containerStatuses") or ())
        return cls(
            name=metadata["name"],
            uid=metadata.get("uid") or "",
            labels=metadata.get("labels") or {},
            terminating=bool(metadata.get("deletionTimestamp")),
            phase=status.get("phase") or "",
            reason=status.get("reason") or "",
            message=status.get("message") or "",
            conditions={entry.get("type", ""): entry for entry in status.get("conditions") or ()},
            containers=(*init_containers, *containers),
        )

    @property
    def template_hash(self) -> str | None:
        """Label that the pod shares with its ReplicaSet (apps/v1)."""
        return self.labels.get(TEMPLATE_HASH)

    @property
    def ready(self) -> bool:
        """Return True if the condition Ready is True."""
        return self.condition("Ready").get("status") == "True"

    def condition(self, kind: str) -> Body:
        """Return a condition; empty if it is missing, as conditions that hold are not cached."""
        return self.conditions.get(kind) or {}
