"""Counts the loaders that end while this process runs, for the metrics: their reason, duration and size."""

from modelservice_operator.metrics.instruments import OTHER, record_load
from modelservice_operator.resources.metadata import is_loader_name
from modelservice_operator.status.loader_report import Report
from modelservice_operator.status.pods import Termination
from modelservice_operator.status.reasons import LOADER_REASONS, Reason
from modelservice_operator.status.snapshot import Snapshot

LOADED = "Loaded"
"""Reason in the report of a loader that has downloaded a model."""
LOAD_REASONS = frozenset(
    {LOADED, "Cached", OTHER, *(str(reason) for reason in (*LOADER_REASONS, Reason.LOADER_FAILED))}
)

UnfinishedLoads = dict[tuple[str, str], str]
"""Time of the last counted end by UID of the pod and name of the container, of loaders that have not succeeded."""


def count_loads(snapshot: Snapshot, before: UnfinishedLoads | None) -> UnfinishedLoads | None:
    """Count the loaders that have ended since the last call, which returned `before`; None if there are none to watch.

    A loader that had succeeded before it was first seen is not counted: another process has done that, or it was too
    fast.
    """
    unfinished: UnfinishedLoads = {}
    for pod in snapshot.current_pods:
        for container in pod.containers:
            if not (container.init and is_loader_name(container.name)):
                continue
            key, ended = (pod.uid, container.name), container.last_termination
            counted = None if before is None else before.get(key)
            if ended is not None and counted is not None and ended.time != counted:
                _count(ended)
            if ended is None or ended.exit_code != 0:
                unfinished[key] = "" if ended is None else ended.time
    return unfinished or None


def _count(ended: Termination) -> None:
    report = Report.of(ended)
    reason = report.reason if report.reason in LOAD_REASONS else OTHER
    is_loaded = ended.exit_code == 0 and reason == LOADED
    record_load(reason, seconds=report.seconds, size=report.bytes, is_loaded=is_loaded)
