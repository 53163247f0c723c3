"""The reconcile that the current task belongs to: its log lines name the object and the time since its start."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from modelservice_operator import tracing
from modelservice_operator.apimachinery.objects import NamespacedName, Object


@dataclass(slots=True)
class ReconcileScope:
    """One reconcile."""

    key: NamespacedName
    started: float | None
    """Time of the monotonic clock; None after the end, for tasks that continue, such as watches."""
    trace: tracing.ReconcileTrace
    uid: str = ""
    generation: int = 0

    def seconds(self) -> float | None:
        """Return the seconds since the start; None after the end."""
        return None if self.started is None else time.monotonic() - self.started

    def as_fields(self) -> dict[str, Any]:
        """Return the object as fields of a log line. UID and generation are known once the object has been read."""
        known = {"uid": self.uid, "generation": self.generation} if self.uid else {}
        return {"namespace": self.key.namespace, "name": self.key.name, **known}


CURRENT_RECONCILE: ContextVar[ReconcileScope | None] = ContextVar("CURRENT_RECONCILE", default=None)
"""The reconcile of the current task; None in tasks that serve no single object."""


@contextmanager
def reconcile_scope(key: NamespacedName) -> Iterator[ReconcileScope]:
    """Make log lines and requests of a `with` block, and of the tasks that it starts, belong to one reconcile."""
    scope = ReconcileScope(key, time.monotonic(), tracing.ReconcileTrace(key.namespace, key.name))
    token = CURRENT_RECONCILE.set(scope)
    try:
        yield scope
    finally:
        scope.started = None
        scope.trace.end()
        CURRENT_RECONCILE.reset(token)


def identify(live: Object) -> None:
    """Add the UID and the generation of the ModelService to the log lines that follow."""
    scope = CURRENT_RECONCILE.get()
    if scope is not None:
        scope.uid, scope.generation = live["metadata"]["uid"], live["metadata"].get("generation", 0)
        scope.trace.identify(scope.uid, scope.generation)
