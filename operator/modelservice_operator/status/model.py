"""`status.model` and the condition ModelLoaded: what the loaders of the current revision say, or the mounts show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelservice_operator.errors import Rejected
from modelservice_operator.observed import Observed
from modelservice_operator.resources.loader import is_fetched, is_mounted, scheme_of
from modelservice_operator.resources.metadata import LOADER_NAME
from modelservice_operator.status.diagnosis import loader_finding
from modelservice_operator.status.loader_report import Report
from modelservice_operator.status.pods import Container, Ending, Pod
from modelservice_operator.status.reasons import ConditionType, Reason
from modelservice_operator.status.verdict import Verdict
from modelservice_operator.status.wording import plain, quote

_NO_VOLUME_SOURCE = "must specify a volume type"
"""What validation says of a volume whose image was dropped, because the feature is off (core/v1, validation)."""


@dataclass(frozen=True, slots=True)
class _Model:
    """How far the model of the current revision is."""

    state: str
    verdict: Verdict
    report: Report | None = None


def model_status(observed: Observed, previous: Mapping[str, Any]) -> dict[str, Any] | None:
    """`status.model`; None where the model is no matter of ours. `previous` stays while no pod can tell."""
    model = _judge(observed)
    if model is None:
        return None
    uri = (observed.service.spec.model and observed.service.spec.model.uri) or ""
    before: dict[str, Any] = previous.get("model") or {}
    if _nobody_tells(observed) and before.get("uri") == uri:
        return before
    told = {} if model.report is None else {"resolvedURI": model.report.resolved_uri, "digest": model.report.digest}
    return {"uri": uri, **{name: text for name, text in told.items() if text}, "state": model.state}


def model_loaded(observed: Observed, previous: Mapping[str, Any]) -> tuple[bool, Verdict] | None:
    """Whether the model is there, and why not; None where that is no question."""
    model = _judge(observed)
    if model is None:
        return None
    conditions = previous.get("conditions") or ()
    before = next((entry for entry in conditions if entry["type"] == ConditionType.MODEL_LOADED), None)
    if before is not None and _nobody_tells(observed) and _is_of(previous, observed):
        return before["status"] == "True", Verdict(Reason(before["reason"]), before["message"])
    return model.state == "Loaded", model.verdict


def _nobody_tells(observed: Observed) -> bool:
    """Whether there is no pod to look at although that is as it should be: scaled to zero."""
    rollout = observed.rollout
    return observed.failure is None and rollout is not None and rollout.complete and not observed.current_pods


def _is_of(previous: Mapping[str, Any], observed: Observed) -> bool:
    model = observed.service.spec.model
    return model is not None and (previous.get("model") or {}).get("uri") == model.uri


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
