"""Reduced Pods, typed: what each container does, and how it ended before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination:
    """How a container ended (core/v1, ContainerStateTerminated)."""

    reason: str
    exit_code: int
    message: str
    time: str
    """As the API server writes times; empty when it is not known."""

    @classmethod
    def of(cls, body: Body) -> Self:
        """Read `terminated`."""
        return cls(
            reason=body.get("reason") or "",
            exit_code=body.get("exitCode") or 0,
            message=body.get("message") or "",
            time=body.get("finishedAt") or "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of a pod; init containers come first."""

    name: str
    init: bool
    ready: bool
    started: bool
    running: bool
    waiting: str
    """Why it waits, in one word; empty when it does not."""
    message: str
    """The same in a sentence."""
    last_termination: Termination | None
    """How it ended, now or before it was started the last time."""

    @classmethod
    def of(cls, body: Body, *, init: bool) -> Self:
        """Read a container status."""
        state = body.get("state") or {}
        waiting = state.get("waiting") or {}
        ended = state.get("terminated") or (body.get("lastState") or {}).get("terminated")
        return cls(
            name=body.get("name") or "",
            init=init,
            ready=bool(body.get("ready")),
            started=bool(body.get("started")),
            running="running" in state,
            waiting=waiting.get("reason") or "",
            message=waiting.get("message") or "",
            last_termination=Termination.of(ended) if ended else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod."""

    name: str
    uid: str
    phase: str
    reason: str
    message: str
    conditions: Mapping[str, Body]
    containers: tuple[Container, ...]
    """Those that are not ready, or ended before."""

    @classmethod
    def of(cls, body: Body) -> Self:
        """Read a reduced Pod."""
        status = body.get("status") or {}
        inits = (Container.of(entry, init=True) for entry in status.get("initContainerStatuses") or ())
        others = (Container.of(entry, init=False) for entry in status.get("containerStatuses") or ())
        return cls(
            name=body["metadata"]["name"],
            uid=body["metadata"].get("uid") or "",
            phase=status.get("phase") or "",
            reason=status.get("reason") or "",
            message=status.get("message") or "",
            conditions={entry.get("type", ""): entry for entry in status.get("conditions") or ()},
            containers=(*inits, *others),
        )

    @property
    def ready(self) -> bool:
        """Whether it serves."""
        return self.condition("Ready").get("status") == "True"

    def condition(self, kind: str) -> Body:
        """A condition; empty when it is not there, as those are that hold."""
        return self.conditions.get(kind) or {}
