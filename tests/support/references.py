"""Each field that references an object: the permission that its author needs, and a spec that references `OWN`."""

from typing import Any

OWN = "own"
REFERENCES: dict[str, tuple[str, dict[str, Any]]] = {
    "imagePullSecrets[].name": ("get secrets", {"imagePullSecrets": [{"name": OWN}]}),
    "env[].valueFrom.secretKeyRef.name": (
        "get secrets",
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": OWN, "key": "k"}}}]},
    ),
    "env[].valueFrom.configMapKeyRef.name": (
        "get configmaps",
        {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": OWN, "key": "k"}}}]},
    ),
    "mounts[].secret.name": ("get secrets", {"mounts": [{"name": "a", "mountPath": "/a", "secret": {"name": OWN}}]}),
    "mounts[].configMap.name": (
        "get configmaps",
        {"mounts": [{"name": "a", "mountPath": "/a", "configMap": {"name": OWN}}]},
    ),
    "mounts[].persistentVolumeClaim.claimName": (
        "get persistentvolumeclaims",
        {"mounts": [{"name": "a", "mountPath": "/a", "persistentVolumeClaim": {"claimName": OWN}}]},
    ),
    "expose.ingress.tlsSecretName": (
        "get secrets",
        {"expose": {"ingress": {"host": "a.example.com", "className": "nginx", "tlsSecretName": OWN}}},
    ),
    "model.credentials.secretRef.name": (
        "get secrets",
        {"model": {"uri": "s3://a/b", "credentials": {"secretRef": {"name": OWN}}}},
    ),
    "model.cache.persistentVolumeClaim.claimName": (
        "get persistentvolumeclaims",
        {"model": {"uri": "s3://a/b", "cache": {"persistentVolumeClaim": {"claimName": OWN}}}},
    ),
    "serviceAccountName": ("impersonate serviceaccounts", {"serviceAccountName": OWN}),
}
