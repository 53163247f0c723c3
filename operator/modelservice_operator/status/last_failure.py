"""Computes `status.lastFailure`: the last failure of a container of this revision. Repetitions are not reported."""

from collections.abc import Iterator, Mapping
from typing import Any

from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.resources.metadata import LOADER_NAME, omit_none
from modelservice_operator.status.pods import Container, Pod, Termination
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import last_line, normalize, truncate

_IDENTITY_FIELDS = ("container", "reason", "exitCode")
"""Fields that are equal for the same kind of failure; pod, time and message differ at each restart."""
_MAX_BASE_NAME_LENGTH = 58
"""Characters of a ReplicaSet's name in the names of its pods (apiserver, names.maxGeneratedNameLength)."""


def last_failure(snapshot: Snapshot, *, previous: Mapping[str, Any], ready: bool) -> Object | None:
    """Return the failure to report. `previous` is the status before; `ready` means that this revision is complete.

    The previous failure is retained while any pod shows the same kind of failure, so a pod that crashes repeatedly
    costs no further write. It is removed when another revision is complete.
    """
    old: Object | None = previous.get("lastFailure")
    failures = sorted(_find_failures(snapshot), key=_sort_key, reverse=True)
    current = old is not None and _is_of_this_revision(old, snapshot)
    if old is not None and current and any(_is_same_failure(old, failure) for failure in failures):
        return old
    if failures:
        return failures[0]
    return None if ready and not current else old


def _find_failures(snapshot: Snapshot) -> Iterator[Object]:
    for pod in snapshot.current_pods:
        if pod.phase == "Failed" and pod.reason:
            yield omit_none(pod=pod.name, reason=pod.reason, message=truncate(normalize(pod.message, snapshot)) or None)
        for container in pod.containers:
            if container.last_termination is not None and _is_failure(container, container.last_termination):
                yield _build_failure(pod, container, container.last_termination, snapshot)


def _is_failure(container: Container, last: Termination) -> bool:
    """Return True if a termination is a failure: any of a server, of init containers those with another code than 0."""
    return last.exit_code != 0 or not container.init


def _build_failure(pod: Pod, container: Container, last: Termination, snapshot: Snapshot) -> Object:
    # A loader reports in one line of JSON.
    message = normalize(last.message, snapshot) if container.name == LOADER_NAME else last_line(last.message, snapshot)
    return omit_none(
        pod=pod.name,
        container=container.name,
        reason=last.reason or "Error",
        exitCode=last.exit_code,
        message=truncate(message) or None,
        time=last.time or None,
    )


def _is_same_failure(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(name) == other.get(name) for name in _IDENTITY_FIELDS)


def _sort_key(failure: Object) -> tuple[str, str, str]:
    return failure.get("time", ""), failure["pod"], failure.get("container", "")


def _is_of_this_revision(failure: Mapping[str, Any], snapshot: Snapshot) -> bool:
    """Return True if the failure is of the current revision: names of its pods begin with that of its ReplicaSet."""
    current = snapshot.current_replica_set
    return current is None or str(failure.get("pod", "")).startswith(
        f"{current['metadata']['name']}-"[:_MAX_BASE_NAME_LENGTH]
    )
