"""The memory of the controller between two reconciles of a ModelService: one record per object."""

from dataclasses import dataclass

from modelservice_operator.events.pod_events import TrackedPod


@dataclass(slots=True)
class ObjectState:
    """The record of one key. The reconciler owns it; all times are of the monotonic clock."""

    terminating_uid: str = ""
    """UID of the object if it, or its namespace, is being deleted: nothing reverses that."""
    status_written_at: float = 0.0
    deferred_since: float | None = None
    """Start of the wait until the children of other ModelServices exist."""
    unobserved_since: float | None = None
    """Start of a time in which the only change is a generation that the Deployment controller has not observed."""
    recheck_replicas_at: float | None = None
    """Time at which to check the replicas again, after the autoscaler was deleted."""
    tracked_pod: TrackedPod | None = None
    """The pod whose Events are read."""
