"""Why pods are not ready, in the words of the pods: what keeps most from running comes first.

Messages carry no names of pods, times or back-offs: they would change, and each change would be a status write.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from modelservice_operator.status.reasons import Reason
from modelservice_operator.status.verdict import Verdict

Pod = Mapping[str, Any]
Container = Mapping[str, Any]
Cause = Callable[[Pod], str | None]

_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_OOM = "OOMKilled"
_CRASH = "CrashLoopBackOff"
# "Back-off pulling image" and "Back-off 20s restarting failed container=model pod=iris-5d8f_ml(3f2c…)" say nothing new.
_BACK_OFF = re.compile(r"^[Bb]ack-off ")


def pods_verdict(pods: Sequence[Pod]) -> Verdict | None:
    """Say what keeps pods from being ready, None when nothing is known; of several causes the first in the ranking."""
    waiting = [pod for pod in pods if not _is_ready(pod)]
    for reason, cause in _RANKING:
        words = sorted(filter(None, map(cause, waiting)))
        if words:
            return Verdict(reason, f"{_count(len(words), len(pods))}: {words[0]}")
    return None


def _unschedulable(pod: Pod) -> str | None:
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") != "False" or scheduled.get("reason") != "Unschedulable":
        return None
    return f"no node can take it. {scheduled.get('message', '')}".rstrip()


def _image_pull(pod: Pod) -> str | None:
    for container in _containers(pod):
        waiting = _state(container, "waiting")
        if waiting.get("reason") in _PULL:
            return f"the image of container {container['name']} cannot be pulled{_because(waiting)}"
    return None


def _container_config(pod: Pod) -> str | None:
    for container in _containers(pod):
        waiting = _state(container, "waiting")
        if waiting.get("reason") in _CONFIG:
            return f"container {container['name']} cannot be started{_because(waiting)}"
    return None


def _oom_killed(pod: Pod) -> str | None:
    for container in _containers(pod):
        if any(ended.get("reason") == _OOM for ended in _ends(container)):
            return (
                f"container {container['name']} was killed because it used more memory than its limit. Raise"
                " spec.resources.limits.memory."
            )
    return None


def _crash_loop(pod: Pod) -> str | None:
    for container in _containers(pod):
        ended = next((ended for ended in _ends(container) if ended.get("exitCode")), None)
        if ended is not None:
            return f"container {container['name']} exited with code {ended['exitCode']}{_last_words(ended)}"
        if _state(container, "waiting").get("reason") == _CRASH:
            return f"container {container['name']} ends again and again."
    return None


_RANKING: tuple[tuple[Reason, Cause], ...] = (
    (Reason.UNSCHEDULABLE, _unschedulable),
    (Reason.IMAGE_PULL, _image_pull),
    (Reason.CONTAINER_CONFIG, _container_config),
    (Reason.OOM_KILLED, _oom_killed),
    (Reason.CRASH_LOOP, _crash_loop),
)


def _count(some: int, total: int) -> str:
    return "The only pod" if total == 1 else f"{some} of {total} pods"


def _is_ready(pod: Pod) -> bool:
    return _condition(pod, "Ready").get("status") == "True"


def _condition(pod: Pod, kind: str) -> Mapping[str, Any]:
    conditions = pod["status"].get("conditions") or ()
    return next((entry for entry in conditions if entry.get("type") == kind), {})


def _containers(pod: Pod) -> Iterator[Container]:
    for name in ("initContainerStatuses", "containerStatuses"):
        yield from pod["status"].get(name) or ()


def _state(container: Container, kind: str) -> Mapping[str, Any]:
    state: Mapping[str, Any] = container.get("state", {}).get(kind, {})
    return state


def _ends(container: Container) -> Iterator[Mapping[str, Any]]:
    """How it ended, now and the time before."""
    for state in ("state", "lastState"):
        if ended := container.get(state, {}).get("terminated"):
            yield ended


def _because(waiting: Mapping[str, Any]) -> str:
    message = str(waiting.get("message") or "").strip()
    return "." if not message or _BACK_OFF.match(message) else f": {message}"


def _last_words(ended: Mapping[str, Any]) -> str:
    words = str(ended.get("message") or "").strip()
    return f". Its last words: {words}" if words else " and said nothing on its way out. Look at its logs."
