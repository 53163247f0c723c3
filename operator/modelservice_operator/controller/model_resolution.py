"""Decides which revision of an auto-updated model the pods load: a change of it starts a rollout. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.resources.metadata import LOADER_NAME, MODEL_CACHE_KEY_LABEL, RESOLVER_NAME
from modelservice_operator.resources.model_volume import cache_key, pinned_revision
from modelservice_operator.status.loader_report import Report
from modelservice_operator.status.pods import Pod
from modelservice_operator.status.snapshot import Snapshot


@dataclass(frozen=True, slots=True, order=True)
class _Resolution:
    """Revision that a container resolved the URI to, and when its pod was created."""

    created: str
    """RFC 3339, by the clock of the API server. Times of containers are by the clocks of their nodes."""
    revision: str


def resolve_model_revision(
    service: ModelService, deployment: Mapping[str, Any] | None, snapshot: Snapshot
) -> str | None:
    """Return the revision that the pods must load; None lets each pod resolve the URI, as for the first revision.

    The latest revision that a resolver found is used if the resolver was created after the current pods and its
    revision differs from what they loaded. Otherwise the revision in the Deployment stays.
    """
    model = service.spec.model
    if model is None:
        return None
    pinned = pinned_revision(deployment, model)
    key = cache_key(model, None)
    resolver_pods = (pod for pod in snapshot.pods if pod.labels.get(MODEL_CACHE_KEY_LABEL) == key)
    resolved = _latest_resolution(resolver_pods, RESOLVER_NAME)
    loaded = _latest_resolution(snapshot.current_pods, LOADER_NAME)
    if resolved is None or loaded is None or resolved.created <= loaded.created:
        return pinned
    return pinned if resolved.revision == loaded.revision else resolved.revision


def _latest_resolution(pods: Iterable[Pod], container_name: str) -> _Resolution | None:
    """Return the latest revision that a container of this name reported."""
    found = (
        (pod.created, container.last_termination)
        for pod in pods
        for container in pod.containers
        if container.name == container_name
    )
    resolutions = (
        _Resolution(created, Report.of(termination).resolution)
        for created, termination in found
        if termination is not None and termination.exit_code == 0
    )
    return max((resolution for resolution in resolutions if resolution.revision), default=None)
