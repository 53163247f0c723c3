from typing import Any

from modelservice_operator.controller.transforms import transform_pod, transform_replica_set
from modelservice_operator.status.pods import Pod
from modelservice_operator.status.snapshot import DeploymentStatus, Snapshot
from tests.support.builders import model_service
from tests.support.pods import DEPLOYMENT_UID, HASH, OLD_HASH, new_pod, new_replica_set


def deployment(revision: str | None = "2") -> dict[str, Any]:
    annotations = {} if revision is None else {"deployment.kubernetes.io/revision": revision}
    return {"metadata": {"uid": DEPLOYMENT_UID, "generation": 1, "annotations": annotations}, "spec": {}}


def observed(*replica_sets: dict[str, Any], revision: str | None = "2") -> Snapshot:
    pods = (
        new_pod().named("zzzzz"),
        new_pod().named("bbbbb"),
        new_pod().of_revision(OLD_HASH),
        new_pod().being_deleted(),
    )
    return Snapshot(
        service=model_service().parsed(),
        rollout=DeploymentStatus.of(deployment(revision)),
        replica_sets=tuple(transform_replica_set(body) for body in replica_sets),
        pods=tuple(Pod.of(transform_pod(pod.body())) for pod in pods),
    )


def names(found: Snapshot) -> list[str]:
    return [pod.name for pod in found.current_pods]


def test_current_pods_are_of_the_newest_revision() -> None:
    assert names(observed(new_replica_set(OLD_HASH, number=1), new_replica_set())) == [
        f"iris-{HASH}-bbbbb",
        f"iris-{HASH}-zzzzz",
    ]


def test_current_replica_set_after_a_rollback_is_an_old_one() -> None:
    found = observed(new_replica_set(OLD_HASH, number=3), new_replica_set(), revision="3")
    assert names(found) == [f"iris-{OLD_HASH}-x2x7k"]


def test_current_pods_are_empty_without_a_known_revision() -> None:
    assert names(observed(new_replica_set(OLD_HASH, number=1))) == []
    assert names(observed(new_replica_set(), revision=None)) == []
    assert names(Snapshot(service=model_service().parsed())) == []


def test_replica_set_of_another_deployment_is_ignored() -> None:
    assert observed(new_replica_set(uid="other")).current_replica_set is None


def test_younger_replica_set_of_one_revision_is_current() -> None:
    found = observed(new_replica_set(creationTimestamp="2026-01-02T04:00:00Z"), new_replica_set(OLD_HASH))
    assert found.current_replica_set == transform_replica_set(new_replica_set(creationTimestamp="2026-01-02T04:00:00Z"))


def test_current_pods_are_computed_once() -> None:
    found = observed(new_replica_set())
    assert found.current_pods is found.current_pods
    assert found.current_replica_set is found.current_replica_set
