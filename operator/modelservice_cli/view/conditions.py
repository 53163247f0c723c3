"""Conditions of a status, and the problems among them by rank."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Service = Mapping[str, Any]

_RANKING = ("Stalled", "Ready", "ModelLoaded", "AutoscalerReady", "ModelTracked", "Exposed")
"""Types of conditions; the first problem is the cause that `why` explains. Stalled is a problem if it is True."""
_WAITING = frozenset(
    {
        "AddressPending",
        "AutoscalerStarting",
        "DeploymentPending",
        "ModelLoading",
        "ModelPending",
        "RolloutInProgress",
        "RoutePending",
        "Starting",
        "TrackingPending",
    }
)
"""Reasons that normally end automatically."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A condition that is not as it should be."""

    kind: str
    """Type of the condition; empty if the operator has not written any."""
    reason: str
    message: str
    since: str = ""
    """Transition time, RFC 3339."""

    @property
    def is_waiting(self) -> bool:
        """Return True if it normally ends automatically."""
        return self.reason in _WAITING


def condition(service: Service, kind: str) -> Mapping[str, Any]:
    """Return a condition; {} if there is none."""
    conditions = (service.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == kind), {})


def is_observed(service: Service) -> bool:
    """Return True if the operator has seen the newest generation."""
    observed = (service.get("status") or {}).get("observedGeneration", -1)
    return bool(observed >= service["metadata"].get("generation", 0))


def is_ready(service: Service) -> bool:
    """Return True if the newest generation is ready."""
    return is_observed(service) and condition(service, "Ready").get("status") == "True"


def is_met(service: Service, kind: str) -> bool:
    """Return True if a condition is True for the newest generation."""
    found = condition(service, kind)
    is_current = found.get("observedGeneration") in {None, service["metadata"].get("generation")}
    return is_observed(service) and is_current and found.get("status") == "True"


def problems(service: Service) -> list[Problem]:
    """Return what is wrong, the most important first; empty if the ModelService serves as the spec says."""
    return list(_find_problems(service))


def _find_problems(service: Service) -> Iterator[Problem]:
    if service["metadata"].get("deletionTimestamp"):
        yield Problem("", "Deleting", "The ModelService is being deleted.", service["metadata"]["deletionTimestamp"])
    if not is_observed(service):
        yield _unobserved(service)
    ready = condition(service, "Ready")
    for kind in _RANKING:
        found = condition(service, kind)
        if not found or found.get("status") == ("False" if kind == "Stalled" else "True"):
            continue
        if kind == "Stalled" and ready.get("status") == "False" and ready.get("reason") != found.get("reason"):
            continue  # Ready has the cause: Stalled only says that the rollout exceeded its deadline
        if kind in {"Ready", "ModelLoaded"} and _repeats(found, kind, service):
            continue
        yield Problem(
            kind, str(found.get("reason", "")), str(found.get("message", "")), str(found.get("lastTransitionTime", ""))
        )


def _repeats(found: Mapping[str, Any], kind: str, service: Service) -> bool:
    """Return True if a condition says the same as one before it in the ranking."""
    before = "Stalled" if kind == "Ready" else "Ready"
    other = condition(service, before)
    is_problem = other.get("status") == ("True" if before == "Stalled" else "False")
    return is_problem and other.get("reason") == found.get("reason")


def _unobserved(service: Service) -> Problem:
    status = service.get("status") or {}
    created = str(service["metadata"].get("creationTimestamp", ""))
    if status.get("observedGeneration", -1) < 0:
        return Problem("", "NotObserved", "The operator has not seen this ModelService yet.", created)
    text = "The operator has not seen the newest change yet; the rest of the status is about an earlier one."
    return Problem("", "NotObserved", text)
