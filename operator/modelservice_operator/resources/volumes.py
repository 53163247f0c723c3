"""Builds the volumes and volume mounts of `spec.mounts`. Never a path of the node."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from modelservice_operator.api.v1alpha1.containers import ContainerMount
from modelservice_operator.api.v1alpha1.environment import EnvVar
from modelservice_operator.api.v1alpha1.volumes import (
    ClaimVolume,
    DownwardMount,
    EmptyDirMount,
    EphemeralMount,
    Mount,
    ProjectedDownward,
    ProjectedMount,
    ProjectedSource,
    SecretMount,
)
from modelservice_operator.apimachinery.quantity import Quantity
from modelservice_operator.resources.environment import HOME_PATH, build_field_reference, has_default_home
from modelservice_operator.resources.metadata import CONTAINER_NAME, dump, omit_none

_TOKEN_SECONDS = 3600
"""Default of Kubernetes for the lifetime of a token (core/v1, ServiceAccountTokenProjection)."""
_DEFAULT_MODE = 0o644
"""Default of Kubernetes for the permissions of files (core/v1, DownwardAPIVolumeSource)."""
TMP_NAME, HOME_NAME = "tmp", "home"
TMP_PATH = "/tmp"  # noqa: S108 - a path inside the container


def build_scratch_volumes(containers: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the empty directories that the containers mount. They count as ephemeral storage of the pod."""
    used = {mount["name"] for container in containers for mount in container.get("volumeMounts", ())}
    return [{"name": name, "emptyDir": {}} for name in (TMP_NAME, HOME_NAME) if name in used]


def build_scratch_mounts(env: Sequence[EnvVar], mounts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return mounts at the paths that a program expects to be writable, unless one of `mounts` is there."""
    used = {mount["mountPath"].rstrip("/") for mount in mounts}
    paths = {TMP_NAME: TMP_PATH} | ({HOME_NAME: HOME_PATH} if has_default_home(env) else {})
    return [{"name": name, "mountPath": path} for name, path in paths.items() if path not in used]


def build_volume(mount: Mount) -> dict[str, Any]:
    """Return the volume. The operator never reads the referenced object; the kubelet mounts it."""
    return {"name": mount.name} | _build_source(mount)


def _build_source(mount: Mount) -> dict[str, Any]:
    """Return the source of a volume, as the API server stores it."""
    for field, (name, build) in _SOURCES.items():
        if (source := getattr(mount, field)) is not None:
            return {name: build(source)}
    return {"emptyDir": {}}


def _build_secret(mount: SecretMount) -> dict[str, Any]:
    secret = dump(mount)
    return {"secretName": secret.pop("name")} | secret


def _build_claim(claim: ClaimVolume) -> dict[str, Any]:
    # The API server drops `readOnly: false`, which would otherwise count as drift at each reconcile.
    return {"claimName": claim.claim_name, **omit_none(readOnly=claim.read_only or None)}


def _build_empty_dir(empty: EmptyDirMount) -> dict[str, Any]:
    size = None if empty.size_limit is None else Quantity(empty.size_limit)
    return omit_none(medium=empty.medium or None, sizeLimit=size)


def _build_ephemeral(ephemeral: EphemeralMount) -> dict[str, Any]:
    template = ephemeral.volume_claim_template
    size = Quantity(template.spec.resources.requests.storage)
    spec = dump(template.spec) | {"resources": {"requests": {"storage": size}}}
    metadata = dump(template.metadata) if template.metadata is not None else None
    return {"volumeClaimTemplate": omit_none(metadata=metadata or None) | {"spec": spec}}


def _build_projected(projected: ProjectedMount) -> dict[str, Any]:
    sources = [_build_projected_source(source) for source in projected.sources]
    return {"sources": sources, **omit_none(defaultMode=projected.default_mode)}


def _build_projected_source(source: ProjectedSource) -> dict[str, Any]:
    """Return a source with the defaults of the API server: the list is compared as a whole."""
    token = source.service_account_token
    if source.downward_api is not None:
        return {"downwardAPI": _build_downward(source.downward_api)}
    if token is not None:
        return {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS} | dump(token)}
    return dump(source)


def _build_downward_mount(downward: DownwardMount) -> dict[str, Any]:
    # Without any field, an apply that removes the last one removes the source itself, and leaves an empty directory.
    return _build_downward(downward) or {"defaultMode": _DEFAULT_MODE}


def _build_downward(downward: DownwardMount | ProjectedDownward) -> dict[str, Any]:
    built = dump(downward)
    if "items" in built:
        built["items"] = [_build_downward_file(item) for item in built["items"]]
    return built


def _build_downward_file(item: dict[str, Any]) -> dict[str, Any]:
    if "resourceFieldRef" in item:
        # Required in volumes, because they belong to no container.
        reference = item["resourceFieldRef"]
        container = reference.get("containerName") or CONTAINER_NAME
        item = item | {"resourceFieldRef": {"containerName": container} | reference | {"containerName": container}}
    return build_field_reference(item)


def build_volume_mount(mount: Mount | ContainerMount) -> dict[str, Any]:
    """Return the volume mount of a container."""
    # The API server drops `readOnly: false`, which would otherwise count as drift at each reconcile.
    optional = omit_none(subPath=mount.sub_path, readOnly=mount.read_only or None)
    return {"name": mount.name, "mountPath": mount.mount_path, **optional}


_SOURCES: Mapping[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    "config_map": ("configMap", dump),
    "secret": ("secret", _build_secret),
    "persistent_volume_claim": ("persistentVolumeClaim", _build_claim),
    "empty_dir": ("emptyDir", _build_empty_dir),
    "csi": ("csi", dump),
    "ephemeral": ("ephemeral", _build_ephemeral),
    "projected": ("projected", _build_projected),
    "downward_api": ("downwardAPI", _build_downward_mount),
}
"""Fields of a mount, with the name of the source in core/v1 Volume and its builder."""
