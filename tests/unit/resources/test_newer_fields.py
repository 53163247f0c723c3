"""A field that the API server has dropped is recognized, and nothing else is."""

from typing import Any

import pytest

from modelservice_operator.apimachinery.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, ResourceKind
from modelservice_operator.resources.newer_fields import (
    IMAGE_VOLUME,
    NEWER_FIELDS,
    RESOURCE_CLAIMS,
    TOLERANCE,
    NewerField,
    find_dropped,
)


def deployment(**pod: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "model", "image": "iris:1"}], **pod}}}}


def autoscaler(**behavior: Any) -> dict[str, Any]:
    return {"spec": {"maxReplicas": 3, "behavior": behavior}}


PLAIN = [{"name": "tmp", "emptyDir": {}}]
MOUNTED = deployment(volumes=[*PLAIN, {"name": "model", "image": {"reference": "iris:1"}}])
CLAIMING = deployment(resourceClaims=[{"name": "gpu", "resourceClaimName": "gpu"}])
TOLERANT = autoscaler(scaleDown={"tolerance": "50m"})


@pytest.mark.parametrize(
    ("kind", "desired", "live", "dropped"),
    [
        (DEPLOYMENT, MOUNTED, deployment(volumes=PLAIN), IMAGE_VOLUME),
        (DEPLOYMENT, MOUNTED, deployment(), IMAGE_VOLUME),
        (DEPLOYMENT, MOUNTED, MOUNTED, None),
        (DEPLOYMENT, CLAIMING, deployment(), RESOURCE_CLAIMS),
        (DEPLOYMENT, CLAIMING, CLAIMING, None),
        (DEPLOYMENT, deployment(volumes=PLAIN), deployment(), None),
        (HORIZONTAL_POD_AUTOSCALER, TOLERANT, autoscaler(scaleDown={"selectPolicy": "Max"}), TOLERANCE),
        (HORIZONTAL_POD_AUTOSCALER, TOLERANT, {"spec": {"maxReplicas": 3}}, TOLERANCE),
        (HORIZONTAL_POD_AUTOSCALER, TOLERANT, autoscaler(scaleDown={"tolerance": "70m"}), None),
        (HORIZONTAL_POD_AUTOSCALER, {"spec": {"maxReplicas": 3}}, autoscaler(), None),
    ],
)
def test_dropped_field(
    kind: ResourceKind, desired: dict[str, Any], live: dict[str, Any], dropped: NewerField | None
) -> None:
    assert find_dropped(kind, desired, live) is dropped


@pytest.mark.parametrize("newer", NEWER_FIELDS, ids=lambda newer: newer.gate)
def test_message_names_field_version_and_gate(newer: NewerField) -> None:
    error = newer.error()
    assert str(error).startswith(f"{newer.field} needs Kubernetes {newer.version} or later (feature gate {newer.gate})")
    assert error.field == newer.field
