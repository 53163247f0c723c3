"""Computes `status.model` and ModelLoaded, from the loaders of the current revision or from mounted volumes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.errors import FieldUnsupportedError
from modelservice_operator.resources.metadata import LOADER_NAME, omit_none
from modelservice_operator.resources.model_volume import is_downloaded, is_mounted
from modelservice_operator.resources.newer_fields import IMAGE_VOLUME
from modelservice_operator.status.conditions import Explanation, find_condition, parse_condition
from modelservice_operator.status.containers import loader_finding
from modelservice_operator.status.loader_report import Report
from modelservice_operator.status.pod_groups import MAX_EXAMINED_PODS
from modelservice_operator.status.pods import Container, Pod, Termination
from modelservice_operator.status.reasons import ConditionType, Reason
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import normalize, truncate


@dataclass(frozen=True, slots=True)
class _ModelState:
    """Loading state of the model of the current revision."""

    state: str
    explanation: Explanation
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """`status.model`, and status and explanation of ModelLoaded."""

    status: Object
    loaded: bool
    explanation: Explanation


def compute_model_status(snapshot: Snapshot, previous: Mapping[str, Any]) -> ModelStatus | None:
    """Return the status of the model; None if the operator neither downloads nor mounts it.

    Without pods, as when scaled to zero, the values of `previous`, the status before, are retained.
    """
    model = _model_state(snapshot)
    if model is None:
        return None
    uri = (snapshot.service.spec.model and snapshot.service.spec.model.uri) or ""
    retained = _retained_status(snapshot, previous, uri)
    if retained is None:
        report = model.report or Report()
        progress = snapshot.load_progress if model.state == "Loading" else None
        reported = omit_none(resolvedURI=report.resolved_uri or None, digest=report.digest or None)
        status = {"uri": uri, **reported, "state": model.state, **omit_none(progress=progress and progress.to_status())}
        return ModelStatus(status, model.state == "Loaded", model.explanation)
    before = parse_condition(find_condition(previous.get("conditions"), ConditionType.MODEL_LOADED))
    loaded, explanation = before or (model.state == "Loaded", model.explanation)
    return ModelStatus(retained, loaded is True, explanation)


def find_loading_pods(snapshot: Snapshot) -> tuple[Pod, ...]:
    """Return the pods whose loaders run, oldest first, while `status.model.state` is Loading; empty otherwise."""
    if not is_downloaded(snapshot.service):
        return ()
    loaders = [(pod, loader) for pod in snapshot.current_pods for loader in pod.containers if _is_loader(loader)]
    if any(loader.last_termination is not None for _, loader in loaders):
        return ()
    loading = (pod for pod, loader in loaders if loader.running)
    return tuple(sorted(loading, key=lambda pod: (pod.created, pod.name)))


def _retained_status(snapshot: Snapshot, previous: Mapping[str, Any], uri: str) -> Object | None:
    """Return the previous `status.model` if it is of the same URI and there are no pods by design."""
    status: Object = previous.get("model") or {}
    return status if _has_no_pods_by_design(snapshot) and status.get("uri") == uri else None


def _has_no_pods_by_design(snapshot: Snapshot) -> bool:
    """Return True if the rollout is complete without pods: it is scaled to zero."""
    rollout = snapshot.rollout
    return snapshot.failure is None and rollout is not None and rollout.complete and not snapshot.current_pods


def _model_state(snapshot: Snapshot) -> _ModelState | None:
    if is_downloaded(snapshot.service):
        return _download_state(snapshot)
    return _mount_state(snapshot) if is_mounted(snapshot.service) else None


def _download_state(snapshot: Snapshot) -> _ModelState:
    loaders = [(pod, loader) for pod in snapshot.current_pods for loader in pod.containers if _is_loader(loader)]
    ended = [(pod, loader.last_termination) for pod, loader in loaders if loader.last_termination is not None]
    failed = [termination for _, termination in ended if termination.exit_code != 0]
    if failed:
        return _failed_state(failed, len(loaders), snapshot)
    if ended:
        # The newest pod by its creation: the times of terminations are by the clocks of their nodes.
        return _loaded_state(max(ended, key=lambda pair: (pair[0].created, pair[0].name))[1], snapshot)
    if any(loader.running for _, loader in loaders):
        return _ModelState("Loading", Explanation(Reason.MODEL_LOADING, "The model is being loaded."))
    text = "No pod has started loading the model yet. See the Ready condition for the cause."
    return _ModelState("Pending", Explanation(Reason.MODEL_PENDING, text))


def _is_loader(container: Container) -> bool:
    return container.name == LOADER_NAME and container.init


def _failed_state(failed: list[Termination], total: int, snapshot: Snapshot) -> _ModelState:
    examined = failed[:MAX_EXAMINED_PODS]
    finding = min((loader_finding(termination, snapshot) for termination in examined), key=lambda one: one.rank)
    pods = "The only pod" if total == 1 else f"{len(failed)} of {total} pods"
    return _ModelState("Failed", Explanation(finding.reason, f"{pods}: {finding.text}"))


def _loaded_state(termination: Termination, snapshot: Snapshot) -> _ModelState:
    report = Report.of(termination)
    size = f" ({report.files} file{'s' * (report.files != 1)}, {report.bytes} bytes)" if report.files else ""
    source = truncate(normalize(report.resolved_uri, snapshot))
    text = f"The model was loaded from {source}{size}." if source else "The model was loaded."
    return _ModelState("Loaded", Explanation(Reason.MODEL_LOADED, text), report)


def _mount_state(snapshot: Snapshot) -> _ModelState:
    """Return the state of a mounted model: the kubelet starts containers only after it has mounted the volumes."""
    failure = snapshot.failure
    if isinstance(failure, FieldUnsupportedError) and failure.field == IMAGE_VOLUME.field:
        return _ModelState("Failed", Explanation(Reason.FIELD_UNSUPPORTED, str(failure)))
    if any(pod.phase == "Running" for pod in snapshot.current_pods):
        return _ModelState("Loaded", Explanation(Reason.MODEL_LOADED, "The model is mounted."))
    text = "No pod has mounted the model yet. See the Ready condition for the cause."
    return _ModelState("Pending", Explanation(Reason.MODEL_PENDING, text))
