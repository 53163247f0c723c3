from typing import Any

from modelservice_operator.controller.transforms import transform_pod, transform_replica_set
from modelservice_operator.status.pods import Pod
from modelservice_operator.status.snapshot import DeploymentStatus, Snapshot
from tests.support.builders import model_service
from tests.support.pods import DEPLOYMENT_UID, HASH, OLD_HASH, new_pod, new_replica_set


def a_deployment(revision: str | None = "2") -> dict[str, Any]:
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
        rollout=DeploymentStatus.of(a_deployment(revision)),
        replica_sets=tuple(transform_replica_set(body) for body in replica_sets),
        pods=tuple(Pod.of(transform_pod(pod.body())) for pod in pods),
    )


def names(found: Snapshot) -> list[str]:
    return [pod.name for pod in found.current_pods]


def test_current_are_the_pods_of_the_deployment_s_own_revision() -> None:
    assert names(observed(new_replica_set(OLD_HASH, number=1), new_replica_set())) == [
        f"iris-{HASH}-bbbbb",
        f"iris-{HASH}-zzzzz",
    ]


def test_after_a_rollback_an_old_replica_set_is_the_current_one() -> None:
    found = observed(new_replica_set(OLD_HASH, number=3), new_replica_set(), revision="3")
    assert names(found) == [f"iris-{OLD_HASH}-x2x7k"]


def test_no_pod_is_current_while_the_revision_is_not_seen() -> None:
    assert names(observed(new_replica_set(OLD_HASH, number=1))) == []
    assert names(observed(new_replica_set(), revision=None)) == []
    assert names(Snapshot(service=model_service().parsed())) == []


def test_a_replica_set_of_another_deployment_is_not_ours() -> None:
    assert observed(new_replica_set(uid="other")).current_replica_set is None


def test_of_two_with_one_number_the_younger_one_is_current() -> None:
    found = observed(new_replica_set(creationTimestamp="2026-01-02T04:00:00Z"), new_replica_set(OLD_HASH))
    assert found.current_replica_set == transform_replica_set(new_replica_set(creationTimestamp="2026-01-02T04:00:00Z"))
