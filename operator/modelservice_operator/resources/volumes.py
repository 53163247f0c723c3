"""`spec.mounts` -> volumes of the pod and mounts of the model container. Never a path of the node."""

from typing import Any

from modelservice_operator.api.v1alpha1.pods import Mount
from modelservice_operator.apimachinery.quantity import Quantity


def build_volume(mount: Mount) -> dict[str, Any]:
    """The volume. Other objects are named, never read: the kubelet mounts them."""
    return {"name": mount.name} | _source(mount)


def _source(mount: Mount) -> dict[str, Any]:
    if mount.config_map is not None:
        return {"configMap": {"name": mount.config_map.name}}
    if mount.secret is not None:
        return {"secret": {"secretName": mount.secret.name}}
    if mount.persistent_volume_claim is not None:
        return {"persistentVolumeClaim": {"claimName": mount.persistent_volume_claim.claim_name}}
    empty = mount.empty_dir
    options: dict[str, Any] = {}
    if empty is not None and empty.medium:
        options["medium"] = empty.medium
    if empty is not None and empty.size_limit is not None:
        options["sizeLimit"] = Quantity(empty.size_limit)
    return {"emptyDir": options}


def build_volume_mount(mount: Mount) -> dict[str, Any]:
    """Where the container sees the volume."""
    result: dict[str, Any] = {"name": mount.name, "mountPath": mount.mount_path}
    if mount.sub_path is not None:
        result["subPath"] = mount.sub_path
    # The API server drops a false, which would look like a difference for ever.
    return result | ({"readOnly": True} if mount.read_only else {})
