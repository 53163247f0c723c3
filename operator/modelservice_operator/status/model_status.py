"""`status.model` and the condition ModelLoaded: what the loaders of the current revision say, or the mounts show."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelservice_operator.errors import InvalidRequestError
from modelservice_operator.resources.metadata import LOADER_NAME
from modelservice_operator.resources.model_volume import is_downloaded, is_mounted, scheme_of
from modelservice_operator.status.conditions import Explanation
from modelservice_operator.status.diagnosis import loader_finding
from modelservice_operator.status.loader_report import Report
from modelservice_operator.status.pods import Container, Pod, Termination
from modelservice_operator.status.reasons import ConditionType, Reason
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import normalize, truncate

_VOLUME_FIELD = re.compile(r"spec\.template\.spec\.volumes\[\d+\]")


@dataclass(frozen=True, slots=True)
class _ModelState:
    """How far the model of the current revision is."""

    state: str
    verdict: Explanation
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """What the status says of a model: `status.model`, and the condition ModelLoaded with its reason."""

    status: dict[str, Any]
    loaded: bool
    verdict: Explanation


def compute_model_status(observed: Snapshot, previous: Mapping[str, Any]) -> ModelStatus | None:
    """Judge the model; None where it is no matter of ours. `previous`, the last status, stays while no pod can tell."""
    model = _model_state(observed)
    if model is None:
        return None
    uri = (observed.service.spec.model and observed.service.spec.model.uri) or ""
    told = {} if model.report is None else {"resolvedURI": model.report.resolved_uri, "digest": model.report.digest}
    status = {"uri": uri, **{name: text for name, text in told.items() if text}, "state": model.state}
    loaded, verdict = model.state == "Loaded", model.verdict
    before: dict[str, Any] = previous.get("model") or {}
    if _has_no_pods_by_design(observed) and before.get("uri") == uri:
        status = before
        conditions = previous.get("conditions") or ()
        if (known := next((one for one in conditions if one["type"] == ConditionType.MODEL_LOADED), None)) is not None:
            loaded, verdict = known["status"] == "True", Explanation(Reason(known["reason"]), known["message"])
    return ModelStatus(status, loaded, verdict)


def _has_no_pods_by_design(observed: Snapshot) -> bool:
    """Whether there is no pod to look at although that is as it should be: scaled to zero."""
    rollout = observed.rollout
    return observed.failure is None and rollout is not None and rollout.complete and not observed.current_pods


def _model_state(observed: Snapshot) -> _ModelState | None:
    if is_downloaded(observed.service):
        return _fetched(observed)
    return _mounted(observed) if is_mounted(observed.service) else None


def _fetched(observed: Snapshot) -> _ModelState:
    loaders = [loader for pod in map(Pod.of, observed.current_pods) for loader in pod.containers if _is_loader(loader)]
    ended = [loader.last_termination for loader in loaders if loader.last_termination is not None]
    failed = [ending for ending in ended if ending.exit_code != 0]
    done = [ending for ending in ended if ending.exit_code == 0]
    if failed:
        return _failed(failed, len(loaders), observed)
    if done:
        return _loaded(max(done, key=lambda ending: ending.time), observed)
    if any(loader.running for loader in loaders):
        return _ModelState("Loading", Explanation(Reason.MODEL_LOADING, "The model is being loaded."))
    return _ModelState(
        "Pending",
        Explanation(
            Reason.MODEL_PENDING, "No pod has started loading the model yet. See the Ready condition for the cause."
        ),
    )


def _is_loader(container: Container) -> bool:
    return container.name == LOADER_NAME and container.init


def _failed(failed: list[Termination], total: int, observed: Snapshot) -> _ModelState:
    finding = min((loader_finding(ending, observed) for ending in failed), key=lambda one: one.rank)
    who = "The only pod" if total == 1 else f"{len(failed)} of {total} pods"
    return _ModelState("Failed", Explanation(finding.reason, f"{who}: {finding.text}"))


def _loaded(ending: Termination, observed: Snapshot) -> _ModelState:
    report = Report.of(ending)
    amount = f" ({report.files} file{'s' * (report.files != 1)}, {report.bytes} bytes)" if report.files else ""
    source = truncate(normalize(report.resolved_uri, observed))
    text = f"The model was loaded from {source}{amount}." if source else "The model was loaded."
    return _ModelState("Loaded", Explanation(Reason.MODEL_LOADED, text), report)


def _mounted(observed: Snapshot) -> _ModelState:
    """A volume is there when its pod runs: the kubelet starts no container before."""
    failure = observed.failure
    if scheme_of(observed.service) == "oci" and isinstance(failure, InvalidRequestError) and _lacks_source(failure):
        text = (
            "The cluster does not support image volumes (feature gate ImageVolume, enabled by default since Kubernetes"
            " 1.35). Enable the feature gate, or use another model source."
        )
        return _ModelState("Failed", Explanation(Reason.IMAGE_VOLUMES_UNSUPPORTED, text))
    if any(pod.phase == "Running" for pod in map(Pod.of, observed.current_pods)):
        return _ModelState("Loaded", Explanation(Reason.MODEL_LOADED, "The model is mounted."))
    text = "No pod has mounted the model yet. See the Ready condition for the cause."
    return _ModelState("Pending", Explanation(Reason.MODEL_PENDING, text))


def _lacks_source(error: InvalidRequestError) -> bool:
    """Return True if a volume has no source: the API server drops `image` where the feature is off (core/v1)."""
    causes = error.status.causes if error.status is not None else ()
    return any(cause.reason == "FieldValueRequired" and _VOLUME_FIELD.fullmatch(cause.field) for cause in causes)
