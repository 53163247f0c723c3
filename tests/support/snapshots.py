"""Snapshots of a ModelService whose rollout is in progress, and the status computed from them."""

from datetime import UTC, datetime
from typing import Any

from modelservice_operator.apimachinery.kinds import DEPLOYMENT, SERVICE
from modelservice_operator.controller.transforms import transform_pod, transform_replica_set
from modelservice_operator.status import compute_status, diagnose
from modelservice_operator.status.pods import Pod
from modelservice_operator.status.snapshot import DeploymentStatus, Snapshot
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.pods import DEPLOYMENT_UID, PodBuilder, new_replica_set

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
IRIS = model_service().with_generation(3).with_spec(replicas=2)


def deployment_status(**changes: Any) -> DeploymentStatus:
    """Return the status of a completed rollout: two replicas of revision 2."""
    counts = dict.fromkeys(("desired", "replicas", "ready", "updated", "available"), 2)
    done: dict[str, Any] = {
        **counts,
        "observed": True,
        "observed_generation": 1,
        "conditions": {},
        "uid": DEPLOYMENT_UID,
        "revision": "2",
    }
    return DeploymentStatus(**(done | changes))


def snapshot(
    *pods: PodBuilder, service: ModelServiceBuilder = IRIS, refused: str | None = None, **changes: Any
) -> Snapshot:
    """Return the snapshot of a rollout in progress with these pods."""
    sidecars = {sidecar.name for sidecar in service.parsed().spec.sidecars or ()}
    found: dict[str, Any] = {
        "service": service.parsed(),
        "children": tuple((kind, service.parsed().metadata.key) for kind in (DEPLOYMENT, SERVICE)),
        "rollout": deployment_status(available=0, ready=0),
        "replica_sets": (transform_replica_set(new_replica_set(refused=refused)),),
        "pods": tuple(Pod.of(transform_pod(pod.body()), sidecars=sidecars) for pod in pods),
    }
    return Snapshot(**(found | changes))


def computed_status(found: Snapshot, *, previous: dict[str, Any] | None = None, now: datetime = NOW) -> dict[str, Any]:
    return compute_status(found, diagnose(found), previous=previous or {}, now=now)


def condition(status: dict[str, Any], kind: str = "Ready") -> dict[str, Any] | None:
    found: dict[str, Any] | None = next((entry for entry in status["conditions"] if entry["type"] == kind), None)
    return found


def reported(found: Snapshot, kind: str = "Ready") -> tuple[str, str, str] | None:
    """Return status, reason and message of a condition; None if the status lacks it."""
    entry = condition(computed_status(found), kind)
    return None if entry is None else (entry["status"], entry["reason"], entry["message"])


def unready(*pods: PodBuilder, **changes: Any) -> tuple[str, str]:
    """Return reason and message of Ready, which must be False."""
    found = reported(snapshot(*pods, **changes))
    assert found is not None
    assert found[0] == "False"
    return found[1:]
