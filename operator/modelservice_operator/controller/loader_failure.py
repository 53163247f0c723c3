"""Decides whether a Deployment retains the settings of its loader: not if its newest revision cannot load. Pure."""

from modelservice_operator.resources.metadata import CONTAINER_NAME, is_loader_name
from modelservice_operator.status.containers import IMAGE_PULL_REASONS
from modelservice_operator.status.pods import Container, Pod
from modelservice_operator.status.snapshot import Snapshot


def has_failed_to_load(snapshot: Snapshot) -> bool:
    """Return True if the loader of a pod of the newest revision fails, and no pod of it has ever started its server.

    Then other settings of the loader restart no pod that serves, and may be what mends it: an image that did not exist,
    a range or a proxy that was wrong.
    """
    pods = snapshot.current_pods
    return any(_cannot_load(pod) for pod in pods) and not any(_has_started(pod) for pod in pods)


def _cannot_load(pod: Pod) -> bool:
    return any(is_loader_name(container.name) and _fails(container) for container in pod.containers)


def _fails(loader: Container) -> bool:
    """Return True unless the loader runs, which may be another attempt, or has not failed yet."""
    ended = loader.last_termination
    has_failed = ended is not None and ended.exit_code != 0 and not loader.running
    return has_failed or loader.waiting in IMAGE_PULL_REASONS


def _has_started(pod: Pod) -> bool:
    return pod.ready or CONTAINER_NAME in pod.started_containers
