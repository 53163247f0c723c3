"""The state of a pod, as kubectl shows it (kubectl, printers/internalversion, printPod), and its last termination."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelservice_operator.apimachinery.well_known import TEMPLATE_HASH

Pod = Mapping[str, Any]
LOADER_PREFIX = "model-loader"
"""Name of the loader's container, and prefix of those of extra models (resources.metadata)."""
MODEL_CONTAINER = "model"


@dataclass(frozen=True, slots=True)
class Termination:
    """The last termination of a container with a failure."""

    container: str
    reason: str
    exit_code: int
    message: str
    time: str


def is_ready(pod: Pod) -> bool:
    """Return True if a pod receives requests."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return not is_terminating(pod) and any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def is_terminating(pod: Pod) -> bool:
    """Return True if a pod is being deleted."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def choose_ready(pods: Sequence[Pod], current_hash: str) -> Pod | None:
    """Return the newest ready pod, one of the newest revision if there is one; None if no pod is ready.

    `pods` are in the order of their creation; `current_hash` is the label pod-template-hash of the newest revision.
    """
    ready = [pod for pod in reversed(pods) if is_ready(pod)]
    current = [pod for pod in ready if (pod["metadata"].get("labels") or {}).get(TEMPLATE_HASH) == current_hash]
    return next(iter((*current, *ready)), None)


def state(pod: Pod) -> str:
    """Return one word: Running, Pending, CrashLoopBackOff, Init:Error, Terminating."""
    status = pod.get("status") or {}
    if is_terminating(pod):
        return "Terminating"
    init = _init_state(pod)
    if init:
        return init
    for container in reversed(status.get("containerStatuses") or ()):
        reason = _container_reason(container)
        if reason:
            return reason
    return str(status.get("reason") or status.get("phase") or "Unknown")


def _init_state(pod: Pod) -> str:
    """Return the state of the first init container that has not ended; empty if all have, or are sidecars."""
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    sidecars = {one["name"] for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"}
    found = status.get("initContainerStatuses") or ()
    for index, container in enumerate(found):
        current = container.get("state") or {}
        ended = current.get("terminated")
        if (ended and ended.get("exitCode") == 0) or (container["name"] in sidecars and container.get("started")):
            continue
        reason = (ended or current.get("waiting") or {}).get("reason")
        if ended or (reason and reason != "PodInitializing"):
            return f"Init:{reason or 'Error'}"
        return f"Init:{index}/{len(found)}"
    return ""


def _container_reason(container: Mapping[str, Any]) -> str:
    current = container.get("state") or {}
    if "waiting" in current:
        return str(current["waiting"].get("reason") or "Waiting")
    if "terminated" in current:
        ended = current["terminated"]
        return str(ended.get("reason") or f"ExitCode:{ended.get('exitCode')}")
    return ""


def restarts(pod: Pod) -> int:
    """Return the number of restarts of all containers."""
    return sum(one.get("restartCount") or 0 for one in _statuses(pod))


def ready_containers(pod: Pod) -> str:
    """Return ready and all containers: `1/2`."""
    found = (pod.get("status") or {}).get("containerStatuses") or ()
    total = len((pod.get("spec") or {}).get("containers") or found)
    return f"{sum(bool(one.get('ready')) for one in found)}/{total}"


def last_termination(pod: Pod) -> Termination | None:
    """Return the newest termination with a failure."""
    return max(_terminations(pod), key=lambda one: one.time, default=None)


def _terminations(pod: Pod) -> Iterator[Termination]:
    for container in _statuses(pod):
        for key in ("state", "lastState"):
            ended = (container.get(key) or {}).get("terminated")
            if ended and (ended.get("exitCode") or ended.get("reason") not in {None, "Completed"}):
                yield Termination(
                    str(container.get("name", "")),
                    str(ended.get("reason") or "Error"),
                    int(ended.get("exitCode") or 0),
                    str(ended.get("message") or ""),
                    str(ended.get("finishedAt") or ""),
                )


def problem_text(pod: Pod) -> str:
    """Return the message of what a pod waits for: the scheduler's, or that of a waiting container."""
    status = pod.get("status") or {}
    for one in status.get("conditions") or ():
        if one.get("type") == "PodScheduled" and one.get("status") == "False":
            return str(one.get("message") or one.get("reason") or "")
    for container in _statuses(pod):
        message = ((container.get("state") or {}).get("waiting") or {}).get("message")
        if message:
            return str(message)
    return str(status.get("message") or "")


def container_names(pod: Pod) -> list[str]:
    """Return the names of all containers; init containers first."""
    spec = pod.get("spec") or {}
    return [one["name"] for part in ("initContainers", "containers") for one in spec.get(part) or ()]


def is_loader(name: str) -> bool:
    """Return True for the container that loads the model or an extra one."""
    return name == LOADER_PREFIX or name.startswith(f"{LOADER_PREFIX}-")


def _statuses(pod: Pod) -> Iterator[Mapping[str, Any]]:
    status = pod.get("status") or {}
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()
