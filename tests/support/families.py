"""A ModelService with everything that belongs to it, as the API server returns it: for what the command line shows."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from modelservice_cli.cluster.family import Family
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.pods import CREATED, DEPLOYMENT_UID, PodBuilder, new_replica_set
from tests.support.snapshots import computed_status, snapshot

NOW = datetime(2026, 1, 2, 3, 10, tzinfo=UTC)
IRIS = model_service().with_generation(3).with_spec(replicas=2)


def service_body(service: ModelServiceBuilder = IRIS, **status: Any) -> dict[str, Any]:
    """Return a ModelService whose status has these fields."""
    body = service.body()
    body["metadata"]["creationTimestamp"] = CREATED
    observed = {"observedGeneration": service.generation, "desiredReplicas": 2, "replicas": 2, "readyReplicas": 0}
    return body | {"status": observed | status}


def with_condition(
    kind: str, status: str, reason: str, message: str, *, service: ModelServiceBuilder = IRIS, **fields: Any
) -> dict[str, Any]:
    """Return a ModelService with one condition."""
    condition = {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-02T03:05:00Z",
        "observedGeneration": service.generation,
    }
    return service_body(service, conditions=[condition], **fields)


def with_computed_status(*pods: PodBuilder, service: ModelServiceBuilder = IRIS, **changes: Any) -> dict[str, Any]:
    """Return a ModelService with the status that the operator computes for these pods."""
    return service_body(service) | {"status": computed_status(snapshot(*pods, service=service, **changes))}


def deployment(**spec: Any) -> dict[str, Any]:
    """Return the Deployment of revision 2."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "iris",
            "namespace": "ml",
            "uid": DEPLOYMENT_UID,
            "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {"replicas": 2, **spec},
        "status": {"replicas": 2, "availableReplicas": 0},
    }


def replica_set(*, refused: str | None = None) -> dict[str, Any]:
    """Return the ReplicaSet of revision 2."""
    return {"kind": "ReplicaSet"} | new_replica_set(refused=refused)


def family(
    service: dict[str, Any] | None = None,
    pods: Sequence[PodBuilder] = (),
    *,
    children: Sequence[dict[str, Any]] | None = None,
    **fields: Any,
) -> Family:
    """Return a ModelService with a Deployment, its newest ReplicaSet and these pods."""
    return Family(
        service=service or service_body(),
        children=tuple([deployment()] if children is None else children),
        replica_sets=fields.pop("replica_sets", (replica_set(),)),
        pods=tuple({"kind": "Pod"} | pod.body() for pod in pods),
        **fields,
    )
