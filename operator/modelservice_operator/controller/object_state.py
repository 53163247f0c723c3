"""The memory of the controller between two reconciles of a ModelService: one record per object."""

from dataclasses import dataclass, field
from typing import NamedTuple

from modelservice_operator.apimachinery.wait import TokenBucket
from modelservice_operator.controller.ages import Ages
from modelservice_operator.controller.model_loads import UnfinishedLoads
from modelservice_operator.events.load_progress import TrackedLoad
from modelservice_operator.events.pod_events import TrackedPod

STATUS_BURST = 20
STATUS_REFILL_SECONDS = 15.0
"""Seconds until one more status write of a generation: enough for a rollout of hours, few in a fight."""


class TerminatingRecord(NamedTuple):
    """An answer of the API server that the object or its namespace is being deleted.

    It is believed for a while only: the watch reports the deletion soon, or the answer was wrong.
    """

    uid: str
    expires_at: float

    def seconds_left(self, uid: str, now: float) -> float:
        """Return for how long the object with this UID need not be reconciled; 0 for any other object."""
        return max(0.0, self.expires_at - now) if uid == self.uid else 0.0


@dataclass(slots=True)
class ObjectState:
    """The record of one key. The reconciler owns it; all times are of the monotonic clock."""

    terminating: TerminatingRecord | None = None
    """Latest answer of the API server about the deletion of the object or of its namespace."""
    status_written_at: float = 0.0
    status_writes: TokenBucket = field(default_factory=lambda: TokenBucket(STATUS_BURST, STATUS_REFILL_SECONDS))
    """Limits the status writes: another client that keeps changing a child, or the status, would cause one a second."""
    written_status: str = ""
    """Hash of the status that was last written."""
    deferred_since: float | None = None
    """Start of the wait until the children of other ModelServices exist."""
    unobserved_since: float | None = None
    """Start of a time in which the only change is a generation that the Deployment controller has not observed."""
    observed_generation: int = 0
    """Generation of the Deployment that its controller has observed."""
    recheck_replicas_at: float | None = None
    """Time at which to check the replicas again, after the autoscaler was deleted."""
    ages: Ages = field(default_factory=Ages)
    """Ages of the objects that the status waits for."""
    tracked_pod: TrackedPod | None = None
    """The pod whose Events are read."""
    tracked_load: TrackedLoad | None = None
    """The loader whose progress is read."""

    unfinished_loads: UnfinishedLoads | None = None
    """The loaders whose end is counted in the metrics."""

    def observe(self, generation: int) -> None:
        """Record the generation of the Deployment that its controller has observed.

        A controller that proceeds is not late, however often another client causes a new generation.
        """
        if generation != self.observed_generation:
            self.observed_generation, self.unobserved_since = generation, None
