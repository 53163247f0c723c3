"""Finding: the problem of a pod, and the order of problems by importance."""

from dataclasses import dataclass

from modelservice_operator.status.reasons import LOADER_REASONS, Reason

REASONS_BY_PRIORITY = (
    Reason.UNSCHEDULABLE,
    Reason.SCHEDULING_GATED,
    Reason.QUOTA_EXCEEDED,
    Reason.ADMISSION_DENIED,
    Reason.REPLICA_FAILURE,
    Reason.IMAGE_PULL,
    Reason.CREATE_CONTAINER_CONFIG_ERROR,
    Reason.CONTAINER_START_ERROR,
    *sorted(LOADER_REASONS),
    Reason.LOADER_FAILED,
    Reason.OOM_KILLED,
    Reason.CRASH_LOOP,
    Reason.PROBE_FAILING,
    Reason.VOLUME_PENDING,
    Reason.POD_NOT_READY,
    Reason.POD_FAILED,
    Reason.STARTING,
)
"""Reasons of unready pods, the most important first: those that keep most pods from being created or started."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Problem of one pod: its reason, and a message with the cause and the advice."""

    reason: Reason
    text: str
    covers_all_pods: bool = False
    """The finding is not about a single pod, so it is reported without a count."""

    @property
    def rank(self) -> tuple[int, str]:
        """Sort key: the priority of the reason, then the text, so that the order of the pods is irrelevant."""
        return REASONS_BY_PRIORITY.index(self.reason), self.text
