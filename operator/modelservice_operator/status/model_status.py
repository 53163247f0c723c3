"""Computes `status.model` and ModelLoaded, from the loaders of the current revision or from mounted volumes.

The model and each extra model have separate states; ModelLoaded is about all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelservice_operator.api.v1alpha1.model import ExtraModel
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.errors import FieldUnsupportedError
from modelservice_operator.resources.metadata import EXTRA_LOADER_PREFIX, LOADER_NAME, is_loader_name, omit_none
from modelservice_operator.resources.model_volume import has_loader, is_downloaded, is_mounted
from modelservice_operator.resources.newer_fields import IMAGE_VOLUME
from modelservice_operator.status.conditions import Explanation, find_condition, parse_condition
from modelservice_operator.status.containers import loaded_object, loader_finding
from modelservice_operator.status.loader_report import Report
from modelservice_operator.status.pod_groups import MAX_EXAMINED_PODS
from modelservice_operator.status.pods import Container, Pod, Termination
from modelservice_operator.status.reasons import ConditionType, Reason
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import normalize, truncate


@dataclass(frozen=True, slots=True)
class _ModelState:
    """Loading state of the model, or of an extra model, of the current revision."""

    state: str
    explanation: Explanation
    report: Report | None = None

    def to_status(self) -> Object:
        """Return what the loader reported, and the state."""
        report = self.report or Report()
        return {**omit_none(resolvedURI=report.resolved_uri or None, digest=report.digest or None), "state": self.state}


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """`status.model`, and status and explanation of ModelLoaded."""

    status: Object
    loaded: bool
    explanation: Explanation


_IMPORTANCE = ("Failed", "Loading", "Pending", "Loaded")
"""States in the order in which ModelLoaded reports them. Loaders run one after another."""


def compute_model_status(snapshot: Snapshot, previous: Mapping[str, Any]) -> ModelStatus | None:
    """Return the status of all models; None if the operator neither downloads nor mounts one.

    Without pods, as when scaled to zero, the values of `previous`, the status before, are retained.
    """
    model, extras = _model_state(snapshot), _extra_states(snapshot)
    states = [*([] if model is None else [model]), *(state for _, state in extras)]
    if not states:
        return None
    is_loaded, explanation = all(state.state == "Loaded" for state in states), _explanation(states, extras)
    uri = (snapshot.service.spec.model and snapshot.service.spec.model.uri) or ""
    retained = _retained_status(snapshot, previous, uri)
    if retained is not None:
        before = parse_condition(find_condition(previous.get("conditions"), ConditionType.MODEL_LOADED))
        loaded, explanation = before or (is_loaded, explanation)
        return ModelStatus(retained, loaded is True, explanation)
    progress = snapshot.load_progress if any(state.state == "Loading" for state in states) else None
    status = {
        **({"uri": uri} if uri else {}),
        **({} if model is None else model.to_status()),
        **omit_none(extra=[_extra_status(extra, state) for extra, state in extras] or None),
        **omit_none(progress=progress and progress.to_status()),
    }
    return ModelStatus(status, is_loaded, explanation)


def find_loading_pods(snapshot: Snapshot) -> tuple[Pod, ...]:
    """Return the pods whose loaders run, oldest first, while a state in `status.model` is Loading; empty otherwise."""
    if not has_loader(snapshot.service):
        return ()
    loaders = [(pod, one) for pod in snapshot.current_pods for one in pod.containers if _is_loader(one)]
    ended = {loader.name for _, loader in loaders if loader.last_termination is not None}
    loading = {pod.uid: pod for pod, loader in loaders if loader.running and loader.name not in ended}
    return tuple(sorted(loading.values(), key=lambda pod: (pod.created, pod.name)))


def _is_loader(container: Container) -> bool:
    return container.init and is_loader_name(container.name)


def _extra_states(snapshot: Snapshot) -> list[tuple[ExtraModel, _ModelState]]:
    """Return the extra models with their states, by name."""
    model = snapshot.service.spec.model
    extras = model.extra_models if model is not None else []
    return [(extra, _download_state(snapshot, extra.name)) for extra in extras]


def _extra_status(extra: ExtraModel, state: _ModelState) -> Object:
    reason = None if state.state == "Loaded" else str(state.explanation.reason)
    return {"name": extra.name, "uri": extra.uri, **state.to_status(), **omit_none(reason=reason)}


def _explanation(states: Sequence[_ModelState], extras: Sequence[tuple[ExtraModel, _ModelState]]) -> Explanation:
    """Return the explanation of ModelLoaded: of the first model that is not loaded, those that failed first."""
    first = min(states, key=lambda state: _IMPORTANCE.index(state.state))
    if first.state != "Loaded" or not extras:
        return first.explanation
    loaded = "" if len(states) == len(extras) else f"{first.explanation.message} "
    names = ", ".join(extra.name for extra, _ in extras)
    return Explanation(Reason.MODEL_LOADED, f"{loaded}Extra models loaded: {names}.")


def _retained_status(snapshot: Snapshot, previous: Mapping[str, Any], uri: str) -> Object | None:
    """Return the previous `status.model` if it is of the same URIs and there are no pods by design."""
    status: Object = previous.get("model") or {}
    model = snapshot.service.spec.model
    extras = [(extra.name, extra.uri) for extra in (model.extra_models if model is not None else ())]
    before = [(extra.get("name"), extra.get("uri")) for extra in status.get("extra") or ()]
    is_same = bool(status) and status.get("uri", "") == uri and before == extras
    return status if is_same and _has_no_pods_by_design(snapshot) else None


def _has_no_pods_by_design(snapshot: Snapshot) -> bool:
    """Return True if the rollout is complete without pods: it is scaled to zero."""
    rollout = snapshot.rollout
    return snapshot.failure is None and rollout is not None and rollout.complete and not snapshot.current_pods


def _model_state(snapshot: Snapshot) -> _ModelState | None:
    if is_downloaded(snapshot.service):
        return _download_state(snapshot)
    return _mount_state(snapshot) if is_mounted(snapshot.service) else None


def _download_state(snapshot: Snapshot, extra: str | None = None) -> _ModelState:
    """Return the state of the model, or of the extra model of a name, from its loaders in the pods."""
    name = LOADER_NAME if extra is None else f"{EXTRA_LOADER_PREFIX}{extra}"
    pairs = [(pod, container) for pod in snapshot.current_pods for container in pod.containers]
    loaders = [(pod, container) for pod, container in pairs if container.init and container.name == name]
    ended = [(pod, loader.last_termination) for pod, loader in loaders if loader.last_termination is not None]
    failed = [termination for _, termination in ended if termination.exit_code != 0]
    if failed:
        return _failed_state(failed, len(loaders), snapshot, extra)
    if ended:
        # The newest pod by its creation: the times of terminations are by the clocks of their nodes.
        return _loaded_state(max(ended, key=lambda pair: (pair[0].created, pair[0].name))[1], snapshot)
    if any(loader.running for _, loader in loaders):
        text = f"{loaded_object(extra)} is being loaded."
        return _ModelState("Loading", Explanation(Reason.MODEL_LOADING, text[0].upper() + text[1:]))
    text = f"No pod has started loading {loaded_object(extra)} yet. See the Ready condition for the cause."
    return _ModelState("Pending", Explanation(Reason.MODEL_PENDING, text))


def _failed_state(
    failed: Sequence[Termination], total: int, snapshot: Snapshot, extra: str | None = None
) -> _ModelState:
    examined = failed[:MAX_EXAMINED_PODS]
    findings = (loader_finding(termination, snapshot, extra) for termination in examined)
    finding = min(findings, key=lambda one: one.rank)
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
