"""What was observed of a ModelService whose rollout is not done, and how that is judged."""

from datetime import UTC, datetime
from typing import Any

from modelservice_operator.controller.transforms import reduce_pod, reduce_replica_set
from modelservice_operator.status import judge
from modelservice_operator.status.snapshot import Observed, Rollout
from tests.support.builders import AModelService, a_model_service
from tests.support.pods import DEPLOYMENT_UID, APod, a_replica_set

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
IRIS = a_model_service().of_generation(3)


def a_rollout(**changes: Any) -> Rollout:
    """Two replicas of the second revision, done."""
    counts = dict.fromkeys(("desired", "replicas", "ready", "updated", "available"), 2)
    done: dict[str, Any] = {**counts, "observed": True, "conditions": {}, "uid": DEPLOYMENT_UID, "revision": "2"}
    return Rollout(**(done | changes))


def observed(*pods: APod, service: AModelService = IRIS, refused: str | None = None, **changes: Any) -> Observed:
    """A rollout of these pods that is on its way."""
    found: dict[str, Any] = {
        "service": service.parsed(),
        "rollout": a_rollout(available=0, ready=0),
        "replica_sets": (reduce_replica_set(a_replica_set(refused=refused)),),
        "pods": tuple(reduce_pod(pod.body()) for pod in pods),
    }
    return Observed(**(found | changes))


def judged(found: Observed, *, previous: dict[str, Any] | None = None, now: datetime = NOW) -> dict[str, Any]:
    return judge(found, previous=previous or {}, now=now)


def condition(status: dict[str, Any], kind: str = "Ready") -> dict[str, Any] | None:
    found: dict[str, Any] | None = next((entry for entry in status["conditions"] if entry["type"] == kind), None)
    return found


def told(found: Observed, kind: str = "Ready") -> tuple[str, str, str] | None:
    """Status, reason and message of a condition."""
    entry = condition(judged(found), kind)
    return None if entry is None else (entry["status"], entry["reason"], entry["message"])
