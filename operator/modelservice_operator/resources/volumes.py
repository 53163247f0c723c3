"""Builds the volumes and volume mounts of `spec.mounts`. Never a path of the node."""

from typing import Any

from modelservice_operator.api.v1alpha1.pods import Mount
from modelservice_operator.apimachinery.quantity import Quantity
from modelservice_operator.resources.metadata import omit_none


def build_volume(mount: Mount) -> dict[str, Any]:
    """Return the volume. The operator never reads the referenced object; the kubelet mounts it."""
    return {"name": mount.name} | _build_source(mount)


def _build_source(mount: Mount) -> dict[str, Any]:
    if mount.config_map is not None:
        return {"configMap": {"name": mount.config_map.name}}
    if mount.secret is not None:
        return {"secret": {"secretName": mount.secret.name}}
    if mount.persistent_volume_claim is not None:
        return {"persistentVolumeClaim": {"claimName": mount.persistent_volume_claim.claim_name}}
    empty = mount.empty_dir
    if empty is None:
        return {"emptyDir": {}}
    size = None if empty.size_limit is None else Quantity(empty.size_limit)
    return {"emptyDir": omit_none(medium=empty.medium or None, sizeLimit=size)}


def build_volume_mount(mount: Mount) -> dict[str, Any]:
    """Return the volume mount of the model container."""
    # The API server drops `readOnly: false`, which would otherwise count as drift at each reconcile.
    optional = omit_none(subPath=mount.sub_path, readOnly=mount.read_only or None)
    return {"name": mount.name, "mountPath": mount.mount_path, **optional}
