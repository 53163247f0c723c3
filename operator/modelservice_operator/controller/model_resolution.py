"""What the URI of a followed model stands for, as far as its pods tell: a change of it rolls the pods. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.resources.metadata import LOADER_NAME, MODEL_CACHE_KEY_LABEL, RESOLVER_NAME
from modelservice_operator.resources.model_volume import CACHE_PATH, RESOLUTION_VARIABLE, cache_key
from modelservice_operator.status.loader_report import Report
from modelservice_operator.status.pods import Pod
from modelservice_operator.status.snapshot import Snapshot

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class _Report:
    """What a container said, and when."""

    finished_at: str
    resolution: str


def resolve_model_revision(service: ModelService, deployment: Object | None, observed: Snapshot) -> str | None:
    """What the pods are to load; None leaves it to them, as at first.

    What was looked up last counts, when that was after the model of this revision was loaded; else what the Deployment
    says stays. A first look that finds what was loaded changes nothing.
    """
    model = service.spec.model
    if model is None:
        return None
    pinned = _pinned(deployment, service)
    key = cache_key(model, None)
    looked = (pod for pod in observed.pods if (pod["metadata"].get("labels") or {}).get(MODEL_CACHE_KEY_LABEL) == key)
    seen = _newest(looked, RESOLVER_NAME)
    loaded = _newest(observed.current_pods, LOADER_NAME)
    if seen is None or loaded is None or seen.finished_at <= loaded.finished_at:
        return pinned
    return pinned if seen.resolution == loaded.resolution else seen.resolution


def _pinned(deployment: Object | None, service: ModelService) -> str | None:
    """What the Deployment says, if that is about the same model."""
    if deployment is None or service.spec.model is None:
        return None
    containers = deployment["spec"]["template"]["spec"].get("initContainers") or ()
    loader: Object = next((one for one in containers if one.get("name") == LOADER_NAME), {})
    environment = {entry.get("name"): entry.get("value") for entry in loader.get("env") or ()}
    pinned = environment.get(RESOLUTION_VARIABLE) or None
    same = environment.get("MODEL_PATH") == f"{CACHE_PATH}/{cache_key(service.spec.model, pinned)}"
    return pinned if same else None


def _newest(pods: Iterable[Object], name: str) -> _Report | None:
    """The newest thing that a container of this name said about what the URI stands for."""
    ends = (one.last_termination for pod in map(Pod.of, pods) for one in pod.containers if one.name == name)
    told = [_Report(end.time, Report.of(end).resolution) for end in ends if end is not None and end.exit_code == 0]
    return max((one for one in told if one.resolution), default=None)
