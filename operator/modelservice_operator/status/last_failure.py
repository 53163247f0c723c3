"""Computes `status.lastFailure`: the last failure of a container of this revision. Repetitions are not reported."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.resources.metadata import CONTAINER_NAME, is_loader_name, omit_none
from modelservice_operator.status.crashes import explain_crash
from modelservice_operator.status.pods import Container, Pod, Termination
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import last_line, normalize, truncate

_MAX_BASE_NAME_LENGTH = 58
"""Characters of a ReplicaSet's name in the names of its pods (apiserver, names.maxGeneratedNameLength)."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """Failure of a container, or of a whole pod, for which `container` and `last` are None."""

    pod: Pod
    container: Container | None = None
    last: Termination | None = None

    @property
    def identity(self) -> tuple[str | None, str, int | None]:
        """Container, reason and exit code, which are equal for the same kind of failure; other fields differ."""
        if self.container is None or self.last is None:
            return None, self.pod.reason, None
        return self.container.name, self.last.reason or "Error", self.last.exit_code

    @property
    def sort_key(self) -> tuple[str, str, str]:
        """Time, pod and container."""
        time = self.last.time if self.last is not None else ""
        return time, self.pod.name, self.container.name if self.container is not None else ""


def last_failure(snapshot: Snapshot, *, previous: Mapping[str, Any], ready: bool) -> Object | None:
    """Return the failure to report. `previous` is the status before; `ready` means that this revision is complete.

    The previous failure is retained while any pod shows the same kind of failure, so a pod that crashes repeatedly
    costs no further write. It is removed when another revision is complete. Only the text of one failure is read.
    """
    old: Object | None = previous.get("lastFailure")
    failures = list(_find_failures(snapshot))
    current = old is not None and _is_of_this_revision(old, snapshot)
    if old is not None and current and _identity(old) in {failure.identity for failure in failures}:
        return old
    if failures:
        return _build_failure(max(failures, key=lambda failure: failure.sort_key), snapshot)
    return None if ready and not current else old


def _identity(failure: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(failure.get(name) for name in ("container", "reason", "exitCode"))


def _find_failures(snapshot: Snapshot) -> Iterator[_Failure]:
    for pod in snapshot.current_pods:
        if pod.phase == "Failed" and pod.reason:
            yield _Failure(pod)
        for container in pod.containers:
            if container.last_termination is not None and _is_failure(container, container.last_termination):
                yield _Failure(pod, container, container.last_termination)


def _is_failure(container: Container, last: Termination) -> bool:
    """Return True if a termination is a failure: any of a server, of init containers those with another code than 0."""
    return last.exit_code != 0 or not container.init


def _build_failure(failure: _Failure, snapshot: Snapshot) -> Object:
    pod, (container, reason, exit_code) = failure.pod, failure.identity
    return omit_none(
        pod=pod.name,
        container=container,
        reason=reason,
        exitCode=exit_code,
        message=truncate(_message(failure, snapshot)) or None,
        time=(failure.last and failure.last.time) or None,
    )


def _message(failure: _Failure, snapshot: Snapshot) -> str:
    container, last = failure.container, failure.last
    if container is None or last is None:
        return normalize(failure.pod.message, snapshot)
    # A loader reports in one line of JSON.
    is_loader = is_loader_name(container.name)
    return normalize(last.message, snapshot) if is_loader else _log_line(container, last, snapshot)


def _log_line(container: Container, last: Termination, snapshot: Snapshot) -> str:
    """Return the log line with the cause, or else the last one."""
    line = explain_crash(last, snapshot).line if container.name == CONTAINER_NAME else ""
    return line or last_line(last.message, snapshot)


def _is_of_this_revision(failure: Mapping[str, Any], snapshot: Snapshot) -> bool:
    """Return True if the failure is of the current revision: names of its pods begin with that of its ReplicaSet."""
    current = snapshot.current_replica_set
    return current is None or str(failure.get("pod", "")).startswith(
        f"{current['metadata']['name']}-"[:_MAX_BASE_NAME_LENGTH]
    )
