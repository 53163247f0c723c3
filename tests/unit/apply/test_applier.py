"""Ownership and what caches keep, which decide without a server."""

from typing import Any

import pytest

from modelservice_operator.apply.applier import Ownership, ownership_of
from modelservice_operator.controller.transforms import transform_child, transform_model_service
from modelservice_operator.resources.metadata import HAS_UPDATE_FIELDS, OWNER_ANNOTATION
from tests.support.builders import model_service

SERVICE = model_service().parsed()
UID = SERVICE.metadata.uid


def owned_by(uid: str, *, kind: str = "ModelService", name: str = "iris", **metadata: Any) -> dict[str, Any]:
    reference = {"kind": kind, "name": name, "uid": uid, "controller": True}
    return {"metadata": {"ownerReferences": [reference], **metadata}}


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (owned_by(UID), Ownership.OWNED),
        (owned_by(UID, deletionTimestamp="2026-01-01T00:00:00Z"), Ownership.TERMINATING),
        (owned_by("another-uid"), Ownership.TERMINATING),
        (owned_by("another-uid", name="other"), Ownership.NOT_OWNED),
        (owned_by("another-uid", kind="Rollout"), Ownership.NOT_OWNED),
        ({"metadata": {}}, Ownership.NOT_OWNED),
        ({"metadata": {"annotations": {OWNER_ANNOTATION: UID}}}, Ownership.OWNED),
        ({"metadata": {"annotations": {OWNER_ANNOTATION: "another-uid"}}}, Ownership.NOT_OWNED),
        (owned_by("x", kind="Rollout", annotations={OWNER_ANNOTATION: UID}), Ownership.NOT_OWNED),
    ],
)
def test_ownership_is_decided_by_uid(live: dict[str, Any], expected: Ownership) -> None:
    assert ownership_of(live, SERVICE) is expected


OURS = {
    "manager": "modelservice-operator",
    "operation": "Update",
    "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}},
}
SCALED = OURS | {"subresource": "scale"}
OTHER = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}


@pytest.mark.parametrize(("entries", "posted"), [([OURS], True), ([SCALED, OTHER], False), ([], False)])
def test_one_bit_is_kept_of_the_managed_fields(entries: list[Any], posted: bool) -> None:  # noqa: FBT001
    reduced = transform_child({"metadata": {"name": "iris", "managedFields": entries}, "spec": {}})
    assert reduced == {"metadata": {"name": "iris"}, "spec": {}, HAS_UPDATE_FIELDS: posted}
    assert transform_child(reduced) == reduced


def test_annotations_of_a_model_service_are_nobody_s_business() -> None:
    reduced = transform_model_service({"metadata": {"name": "iris", "annotations": {"a": "b"}, "managedFields": []}})
    assert reduced == {"metadata": {"name": "iris"}}
