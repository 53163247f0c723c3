from typing import Any

import pytest

from modelservice_operator.resources.volumes import build_volume
from tests.support.builders import model_service

CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
FIELD = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
BUILT_FIELD = {"path": "labels", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}}


@pytest.mark.parametrize(
    ("source", "volume"),
    [
        ({"emptyDir": {}}, {"emptyDir": {}}),
        ({"emptyDir": {"medium": ""}}, {"emptyDir": {}}),
        ({"emptyDir": {"medium": "HugePages-2Mi"}}, {"emptyDir": {"medium": "HugePages-2Mi"}}),
        ({"emptyDir": {"sizeLimit": "1Gi"}}, {"emptyDir": {"sizeLimit": "1Gi"}}),
        ({"configMap": {"name": "a", "items": []}}, {"configMap": {"name": "a"}}),
        ({"configMap": {"name": "a", "optional": False}}, {"configMap": {"name": "a", "optional": False}}),
        (
            {"secret": {"name": "a", "items": [{"key": "k", "path": "p", "mode": 0}], "defaultMode": 256}},
            {"secret": {"secretName": "a", "items": [{"key": "k", "path": "p", "mode": 0}], "defaultMode": 256}},
        ),
        ({"persistentVolumeClaim": {"claimName": "a"}}, {"persistentVolumeClaim": {"claimName": "a"}}),
        (
            {"persistentVolumeClaim": {"claimName": "a", "readOnly": False}},
            {"persistentVolumeClaim": {"claimName": "a"}},
        ),
        (
            {"persistentVolumeClaim": {"claimName": "a", "readOnly": True}},
            {"persistentVolumeClaim": {"claimName": "a", "readOnly": True}},
        ),
        ({"csi": {"driver": "a", "volumeAttributes": {}}}, {"csi": {"driver": "a"}}),
        (
            {"ephemeral": {"volumeClaimTemplate": {"metadata": {"labels": {}}, "spec": CLAIM}}},
            {"ephemeral": {"volumeClaimTemplate": {"spec": CLAIM}}},
        ),
        (
            {
                "projected": {
                    "sources": [{"serviceAccountToken": {"path": "t"}}, {"secret": {"name": "a", "items": []}}]
                }
            },
            {
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}},
                        {"secret": {"name": "a"}},
                    ]
                }
            },
        ),
        (
            {"projected": {"sources": [{"downwardAPI": {"items": [FIELD]}}], "defaultMode": 256}},
            {"projected": {"sources": [{"downwardAPI": {"items": [BUILT_FIELD]}}], "defaultMode": 256}},
        ),
        (
            {"downwardAPI": {"items": [{"path": "cpu", "resourceFieldRef": {"resource": "limits.cpu"}}]}},
            {
                "downwardAPI": {
                    "items": [
                        {
                            "path": "cpu",
                            "resourceFieldRef": {"containerName": "model", "resource": "limits.cpu", "divisor": "0"},
                        }
                    ]
                }
            },
        ),
        ({"downwardAPI": {}}, {"downwardAPI": {"defaultMode": 0o644}}),
    ],
)
def test_volume_is_as_the_api_server_stores_it(source: dict[str, Any], volume: dict[str, Any]) -> None:
    mount = {"name": "files", "mountPath": "/files", **source}
    mounts = model_service().with_spec(mounts=[mount]).parsed().spec.mounts
    assert mounts is not None
    assert build_volume(mounts[0]) == {"name": "files", **volume}
