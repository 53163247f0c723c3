"""Ownership is decided by UID, never by name or label."""

from typing import Any

import pytest

from modelservice_operator.apply.ownership import Ownership, ownership_of
from modelservice_operator.resources.metadata import OWNER_ANNOTATION
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
def test_ownership_of(live: dict[str, Any], expected: Ownership) -> None:
    assert ownership_of(live, SERVICE) is expected
