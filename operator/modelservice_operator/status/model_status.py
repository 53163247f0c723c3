"""`status.model` and the condition ModelLoaded: what the loaders of the current revision say, or the mounts show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelservice_operator.errors import Rejected
from modelservice_operator.resources.metadata import LOADER_NAME
from modelservice_operator.resources.model_volume import is_fetched, is_mounted, scheme_of
from modelservice_operator.status.diagnosis import loader_finding
from modelservice_operator.status.loader_report import Report
from modelservice_operator.status.pods import Container, Ending, Pod
from modelservice_operator.status.reasons import ConditionType, Reason
from modelservice_operator.status.snapshot import Observed
from modelservice_operator.status.text import plain, quote
from modelservice_operator.status.verdict import Verdict

_NO_VOLUME_SOURCE = "must specify a volume type"
"""What validation says of a volume whose image was dropped, because the feature is off (core/v1, validation)."""


@dataclass(frozen=True, slots=True)
class _Model:
    """How far the model of the current revision is."""

    state: str
    verdict: Verdict
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class ModelVerdict:
    """What the status says of a model: `status.model`, and the condition ModelLoaded with its reason."""

    status: dict[str, Any]
    loaded: bool
    verdict: Verdict


def judge_model(observed: Observed, previous: Mapping[str, Any]) -> ModelVerdict | None:
    """Judge the model; None where it is no matter of ours. `previous`, the last status, stays while no pod can tell."""
    model = _judge(observed)
    if model is None:
        return None
    uri = (observed.service.spec.model and observed.service.spec.model.uri) or ""
    told = {} if model.report is None else {"resolvedURI": model.report.resolved_uri, "digest": model.report.digest}
    status = {"uri": uri, **{name: text for name, text in told.items() if text}, "state": model.state}
    loaded, verdict = model.state == "Loaded", model.verdict
    before: dict[str, Any] = previous.get("model") or {}
    if _nobody_tells(observed) and before.get("uri") == uri:
        status = before
        conditions = previous.get("conditions") or ()
        if (known := next((one for one in conditions if one["type"] == ConditionType.MODEL_LOADED), None)) is not None:
            loaded, verdict = known["status"] == "True", Verdict(Reason(known["reason"]), known["message"])
    return ModelVerdict(status, loaded, verdict)


def _nobody_tells(observed: Observed) -> bool:
    """Whether there is no pod to look at although that is as it should be: scaled to zero."""
    rollout = observed.rollout
    return observed.failure is None and rollout is not None and rollout.complete and not observed.current_pods


def _judge(observed: Observed) -> _Model | None:
    if is_fetched(observed.service):
        return _fetched(observed)
    return _mounted(observed) if is_mounted(observed.service) else None


def _fetched(observed: Observed) -> _Model:
    loaders = [loader for pod in map(Pod.of, observed.current_pods) for loader in pod.containers if _is_loader(loader)]
    ended = [loader.ended for loader in loaders if loader.ended is not None]
    failed = [ending for ending in ended if ending.exit_code != 0]
    done = [ending for ending in ended if ending.exit_code == 0]
    if failed:
        return _failed(failed, len(loaders), observed)
    if done:
        return _loaded(max(done, key=lambda ending: ending.time), observed)
    if any(loader.running for loader in loaders):
        return _Model("Loading", Verdict(Reason.MODEL_LOADING, "The model is being loaded."))
    return _Model("Pending", Verdict(Reason.MODEL_PENDING, "No pod has begun to load the model. Ready says why."))


def _is_loader(container: Container) -> bool:
    return container.name == LOADER_NAME and container.init


def _failed(failed: list[Ending], total: int, observed: Observed) -> _Model:
    finding = min((loader_finding(ending, observed) for ending in failed), key=lambda one: one.rank)
    who = "The only pod" if total == 1 else f"{len(failed)} of {total} pods"
    return _Model("Failed", Verdict(finding.reason, f"{who}: {finding.text}"))


def _loaded(ending: Ending, observed: Observed) -> _Model:
    report = Report.of(ending)
    amount = f" ({report.files} file{'s' * (report.files != 1)}, {report.bytes} bytes)" if report.files else ""
    source = quote(plain(report.resolved_uri, observed))
    text = f"The model is loaded from {source}{amount}." if source else "The model is loaded."
    return _Model("Loaded", Verdict(Reason.MODEL_LOADED, text), report)


def _mounted(observed: Observed) -> _Model:
    """A volume is there when its pod runs: the kubelet starts no container before."""
    failure = observed.failure
    if scheme_of(observed.service) == "oci" and isinstance(failure, Rejected) and _NO_VOLUME_SOURCE in str(failure):
        text = (
            "This cluster cannot mount an image as a volume (Kubernetes has it on by default from 1.35): have the"
            " feature ImageVolume switched on, or keep the model in another place."
        )
        return _Model("Failed", Verdict(Reason.IMAGE_VOLUMES_UNSUPPORTED, text))
    if any(pod.phase == "Running" for pod in map(Pod.of, observed.current_pods)):
        return _Model("Loaded", Verdict(Reason.MODEL_LOADED, "The model is mounted."))
    return _Model("Pending", Verdict(Reason.MODEL_PENDING, "No pod has mounted the model. Ready says why."))
