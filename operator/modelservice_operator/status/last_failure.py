"""`status.lastFailure`: how a container of this revision ended last, told once and not at each restart."""

from collections.abc import Iterable, Mapping
from typing import Any

from modelservice_operator.resources.metadata import LOADER_NAME
from modelservice_operator.status.pods import Container, Pod, Termination
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import last_line, normalize, truncate

Failure = dict[str, Any]

_IDENTITY_FIELDS = ("container", "reason", "exitCode")
"""What makes two failures the same: the pod, the time and the words differ at each restart."""
_MAX_BASE_NAME_LENGTH = 58
"""Characters of a ReplicaSet's name in those of its pods (apiserver, names.maxGeneratedNameLength)."""


def last_failure(observed: Snapshot, *, previous: Mapping[str, Any], ready: bool) -> Failure | None:
    """The failure to report. `previous` is the status before; `ready`: this revision is complete.

    While one like the previous one is still to be seen, the previous one stays as it is: a pod that crashes for the
    hundredth time costs no write. It goes when another revision is complete.
    """
    before: Failure | None = previous.get("lastFailure")
    found = sorted(_failures(observed), key=_sort_key, reverse=True)
    known = before is not None and _is_of_this_revision(before, observed)
    if before is not None and known and any(_is_same_failure(before, failure) for failure in found):
        return before
    if found:
        return found[0]
    return None if ready and not known else before


def _failures(observed: Snapshot) -> Iterable[Failure]:
    for body in observed.current_pods:
        pod = Pod.of(body)
        if pod.phase == "Failed" and pod.reason:
            yield {"pod": pod.name, "reason": pod.reason} | _message_field(truncate(normalize(pod.message, observed)))
        for container in pod.containers:
            if container.last_termination is not None and _has_failed(container, container.last_termination):
                yield _failure(pod, container, container.last_termination, observed)


def _has_failed(container: Container, ended: Termination) -> bool:
    """A server that ends at all has failed; what comes before it only when it says so."""
    return ended.exit_code != 0 or not container.init


def _failure(pod: Pod, container: Container, ended: Termination, observed: Snapshot) -> Failure:
    # A loader says it in one line of JSON, with what it says of itself at its end.
    words = normalize(ended.message, observed) if container.name == LOADER_NAME else last_line(ended.message, observed)
    known = {"pod": pod.name, "container": container.name, "reason": ended.reason or "Error"}
    time = {"time": ended.time} if ended.time else {}
    return known | {"exitCode": ended.exit_code} | _message_field(truncate(words)) | time


def _message_field(message: str) -> Failure:
    return {"message": message} if message else {}


def _is_same_failure(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(name) == other.get(name) for name in _IDENTITY_FIELDS)


def _sort_key(failure: Failure) -> tuple[str, str, str]:
    return failure.get("time", ""), failure["pod"], failure.get("container", "")


def _is_of_this_revision(failure: Mapping[str, Any], observed: Snapshot) -> bool:
    """By the pod's name, which begins with the ReplicaSet's: the status needs no note of its own."""
    current = observed.current_replica_set
    return current is None or str(failure.get("pod", "")).startswith(
        f"{current['metadata']['name']}-"[:_MAX_BASE_NAME_LENGTH]
    )
