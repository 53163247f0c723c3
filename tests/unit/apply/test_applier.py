"""Ownership and what caches keep, which decide without a server."""

from typing import Any

import pytest

from modelservice_operator.apply.applier import Ownership, ownership
from modelservice_operator.controller.transforms import reduce_child, reduce_service
from modelservice_operator.resources.metadata import OWNER_ANNOTATION
from modelservice_operator.status.snapshot import POSTED
from tests.support.builders import a_model_service

SERVICE = a_model_service().parsed()
UID = SERVICE.metadata.uid


def owned_by(uid: str, *, kind: str = "ModelService", name: str = "iris", **metadata: Any) -> dict[str, Any]:
    reference = {"kind": kind, "name": name, "uid": uid, "controller": True}
    return {"metadata": {"ownerReferences": [reference], **metadata}}


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (owned_by(UID), Ownership.OURS),
        (owned_by(UID, deletionTimestamp="2026-01-01T00:00:00Z"), Ownership.LEAVING),
        (owned_by("another-uid"), Ownership.LEAVING),
        (owned_by("another-uid", name="other"), Ownership.FOREIGN),
        (owned_by("another-uid", kind="Rollout"), Ownership.FOREIGN),
        ({"metadata": {}}, Ownership.FOREIGN),
        ({"metadata": {"annotations": {OWNER_ANNOTATION: UID}}}, Ownership.OURS),
        ({"metadata": {"annotations": {OWNER_ANNOTATION: "another-uid"}}}, Ownership.FOREIGN),
        (owned_by("x", kind="Rollout", annotations={OWNER_ANNOTATION: UID}), Ownership.FOREIGN),
    ],
)
def test_ownership_is_decided_by_uid(live: dict[str, Any], expected: Ownership) -> None:
    assert ownership(live, SERVICE) is expected


OURS = {
    "manager": "modelservice-operator",
    "operation": "Update",
    "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}},
}
SCALED = OURS | {"subresource": "scale"}
OTHER = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}


@pytest.mark.parametrize(("entries", "posted"), [([OURS], True), ([SCALED, OTHER], False), ([], False)])
def test_one_bit_is_kept_of_the_managed_fields(entries: list[Any], posted: bool) -> None:  # noqa: FBT001
    reduced = reduce_child({"metadata": {"name": "iris", "managedFields": entries}, "spec": {}})
    assert reduced == {"metadata": {"name": "iris"}, "spec": {}, POSTED: posted}
    assert reduce_child(reduced) == reduced


def test_annotations_of_a_model_service_are_nobody_s_business() -> None:
    reduced = reduce_service({"metadata": {"name": "iris", "annotations": {"a": "b"}, "managedFields": []}})
    assert reduced == {"metadata": {"name": "iris"}}
