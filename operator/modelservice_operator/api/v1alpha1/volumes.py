"""Volumes of the pods (core/v1 Volume): only sources that Pod Security "restricted" allows, never a path of the node.

Strings in nested lists are short: the API server estimates the cost of a rule by the product of all bounds.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.markers import (
    ATOMIC,
    INT32,
    PATTERN_MESSAGE,
    ApiModel,
    Rule,
    cel_rules,
    dns_label,
    list_map,
    string_with_pattern,
)
from modelservice_operator.api.primitives import (
    Annotations,
    MountPath,
    ObjectName,
    PositiveQuantity,
    Quantity,
    RelativePath,
    Selector,
)
from modelservice_operator.api.v1alpha1.environment import (
    DataKey,
    FieldVersion,
    LocalReference,
    ResourceFieldSelector,
)
from modelservice_operator.api.v1alpha1.refused import HOST_PATH_RULE, HostPath

FileMode = Annotated[int, Field(ge=0, le=0o777, json_schema_extra=INT32)]
_SEGMENT = r"[.]?[^/.\p{C}][^/\p{C}]*"
FilePath = Annotated[
    str,
    string_with_pattern(
        f"^{_SEGMENT}(/{_SEGMENT})*$",
        "must be a relative path such as certs/ca.pem: no control characters, no part that begins with '..'",
        max_length=128,
    ),
]


class KeyToPath(ApiModel):
    """A key of a Secret or ConfigMap, and the file for it."""

    key: Annotated[DataKey, Field(max_length=128)] = Field(description="Key inside the object.", examples=["labels"])
    path: FilePath = Field(description="File in the volume.", examples=["labels.json"])
    mode: FileMode | None = Field(
        default=None, description="Permissions of the file. Defaults to defaultMode.", examples=[0o440]
    )


Items = Annotated[list[KeyToPath], Field(max_length=16, json_schema_extra=ATOMIC)]
_ITEMS_TEXT = "Keys to mount and their files. Defaults to all keys."
_MODE_TEXT = "Permissions of the files, as 0644 or 420. Defaults to 0644."
_OPTIONAL_TEXT = "Start the container even if the object or a key in items does not exist."
_ITEMS_EXAMPLE = [[{"key": "labels", "path": "labels.json"}]]


class ConfigMapMount(ApiModel):
    """A ConfigMap, mounted as files."""

    name: ObjectName = Field(
        description="Name of the ConfigMap, in the namespace of the ModelService.", examples=["labels"]
    )
    items: Items | None = Field(default=None, description=_ITEMS_TEXT, examples=_ITEMS_EXAMPLE)
    optional: bool | None = Field(default=None, description=_OPTIONAL_TEXT, examples=[True])
    default_mode: FileMode | None = Field(default=None, description=_MODE_TEXT, examples=[0o440])


class SecretMount(ApiModel):
    """A Secret, mounted as files."""

    name: ObjectName = Field(
        description="Name of the Secret, in the namespace of the ModelService.", examples=["signing-key"]
    )
    items: Items | None = Field(default=None, description=_ITEMS_TEXT, examples=_ITEMS_EXAMPLE)
    optional: bool | None = Field(default=None, description=_OPTIONAL_TEXT, examples=[True])
    default_mode: FileMode | None = Field(default=None, description=_MODE_TEXT, examples=[0o440])


class ClaimMount(ApiModel):
    """A PersistentVolumeClaim."""

    claim_name: ObjectName = Field(
        description="Name of the claim, in the namespace of the ModelService.", examples=["features"]
    )


class ClaimVolume(ClaimMount):
    """A PersistentVolumeClaim, mounted as a volume."""

    read_only: bool | None = Field(
        default=None, description="Attach the volume read-only, for every container.", examples=[True]
    )


class EmptyDirMount(ApiModel):
    """An empty directory with the lifetime of the pod."""

    medium: (
        Annotated[
            str,
            Field(
                max_length=32,
                pattern="^(Memory|HugePages(-[1-9][0-9]{0,3}[KMGT]i)?)?$",
                json_schema_extra={
                    PATTERN_MESSAGE: "must be Memory, HugePages or HugePages-SIZE such as HugePages-2Mi, or not set"
                },
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Memory stores the directory in RAM, which counts towards the memory limit. HugePages-SIZE requires"
        " hugepages in resources.",
        examples=["Memory"],
    )
    size_limit: Quantity | None = Field(
        default=None, description="Maximum size; a pod that exceeds it is evicted.", examples=["1Gi"]
    )


_DRIVER = "must be the name of a driver such as csi.example.com: letters, digits, '-' and '.'"


class CsiMount(ApiModel):
    """An inline volume of a CSI driver, which mounts it without a claim."""

    driver: Annotated[str, string_with_pattern("^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$", _DRIVER, max_length=63)] = (
        Field(
            description="Name of the CSI driver. It must support ephemeral volumes.",
            examples=["gcsfuse.csi.storage.gke.io"],
        )
    )
    read_only: bool | None = Field(default=None, description="Mount the volume read-only.", examples=[True])
    fs_type: Annotated[str, Field(min_length=1, max_length=63)] | None = Field(
        default=None, description="Filesystem type. Defaults to that of the driver.", examples=["ext4"]
    )
    volume_attributes: Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=32)] | None = (
        Field(default=None, description="Settings for the driver.", examples=[{"bucketName": "models"}])
    )
    node_publish_secret_ref: LocalReference | None = Field(
        default=None, description="Secret with credentials for the driver.", examples=[{"name": "model-store"}]
    )


class ClaimMetadata(ApiModel):
    """Metadata of a claim."""

    labels: Selector | None = Field(default=None, description="Labels of the claim.", examples=[{"team": "flowers"}])
    annotations: Annotations | None = Field(
        default=None, description="Annotations of the claim.", examples=[{"example.com/backup": "never"}]
    )


class StorageRequests(ApiModel):
    """Requested amounts of a claim."""

    storage: PositiveQuantity = Field(description="Size of the volume.", examples=["100Gi"])


class ClaimResources(ApiModel):
    """Resources of a claim."""

    requests: StorageRequests = Field(description="Requested amounts.", examples=[{"storage": "100Gi"}])


AccessMode = Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]
_CLAIM_SPEC_EXAMPLE = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Gi"}}}


class ClaimSpec(ApiModel):
    """Specification of a claim."""

    access_modes: list[AccessMode] = Field(
        min_length=1,
        max_length=4,
        description="Ways in which the volume may be mounted.",
        examples=[["ReadWriteOnce"]],
        json_schema_extra=ATOMIC
        | cel_rules(
            ("self.size() == 1 || !('ReadWriteOncePod' in self)", "ReadWriteOncePod must be the only access mode")
        ),
    )
    storage_class_name: ObjectName | None = Field(
        default=None, description="StorageClass. Defaults to that of the cluster.", examples=["local-ssd"]
    )
    resources: ClaimResources = Field(
        description="Resources of the volume.", examples=[{"requests": {"storage": "100Gi"}}]
    )
    volume_mode: Literal["Filesystem"] | None = Field(
        default=None, description="Kind of the volume: always a file system.", examples=["Filesystem"]
    )


class ClaimTemplate(ApiModel):
    """Template of a claim that each pod gets."""

    metadata: ClaimMetadata | None = Field(
        default=None, description="Metadata of the claim.", examples=[{"labels": {"team": "flowers"}}]
    )
    spec: ClaimSpec = Field(description="Specification of the claim.", examples=[_CLAIM_SPEC_EXAMPLE])


class EphemeralMount(ApiModel):
    """A claim of each pod, deleted with it."""

    volume_claim_template: ClaimTemplate = Field(
        description="Template of the claim.", examples=[{"spec": _CLAIM_SPEC_EXAMPLE}]
    )


_FILE_FIELDS = "metadata.name, metadata.namespace, metadata.uid, metadata.labels, metadata.annotations"


class FileFieldSelector(ApiModel):
    """A field of the pod."""

    api_version: FieldVersion = Field(
        default=None, description="API version of the pod. Defaults to v1.", examples=["v1"]
    )
    field_path: Annotated[
        str,
        string_with_pattern(
            r"^metadata[.](name|namespace|uid|(labels|annotations)(\['[-A-Za-z0-9_./]+'\])?)$",
            f"must be one of {_FILE_FIELDS}, metadata.labels['KEY'] or metadata.annotations['KEY']",
            max_length=128,
        ),
    ] = Field(description="Path of the field (downward API).", examples=["metadata.labels"])


class DownwardFile(ApiModel):
    """A file with a field of the pod."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            ("has(self.fieldRef) != has(self.resourceFieldRef)", "set exactly one of fieldRef and resourceFieldRef")
        )
    )
    path: FilePath = Field(description="File in the volume.", examples=["labels"])
    field_ref: FileFieldSelector | None = Field(
        default=None, description="A field of the pod.", examples=[{"fieldPath": "metadata.labels"}]
    )
    resource_field_ref: ResourceFieldSelector | None = Field(
        default=None, description="A request or limit of a container.", examples=[{"resource": "limits.memory"}]
    )
    mode: FileMode | None = Field(
        default=None, description="Permissions of the file. Defaults to defaultMode.", examples=[0o440]
    )


_DOWNWARD_EXAMPLE = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]


class DownwardMount(ApiModel):
    """Fields of the pod, mounted as files (downward API)."""

    items: Annotated[list[DownwardFile], Field(max_length=16, json_schema_extra=ATOMIC)] | None = Field(
        default=None, description="Files.", examples=[_DOWNWARD_EXAMPLE]
    )
    default_mode: FileMode | None = Field(default=None, description=_MODE_TEXT, examples=[0o440])


ProjectedItems = Annotated[list[KeyToPath], Field(max_length=8, json_schema_extra=ATOMIC)]


class ProjectedObject(ApiModel):
    """A Secret or ConfigMap in a projected volume."""

    name: ObjectName = Field(
        description="Name of the object, in the namespace of the ModelService.", examples=["labels"]
    )
    items: ProjectedItems | None = Field(default=None, description=_ITEMS_TEXT, examples=_ITEMS_EXAMPLE)
    optional: bool | None = Field(default=None, description=_OPTIONAL_TEXT, examples=[True])


class ProjectedDownward(ApiModel):
    """Fields of the pod in a projected volume."""

    items: Annotated[list[DownwardFile], Field(max_length=8, json_schema_extra=ATOMIC)] = Field(
        description="Files.", examples=[_DOWNWARD_EXAMPLE]
    )


class ServiceAccountToken(ApiModel):
    """A token of the ServiceAccount of the pod, renewed by the kubelet."""

    path: FilePath = Field(description="File in the volume.", examples=["token"])
    audience: Annotated[str, Field(min_length=1, max_length=1024)] | None = Field(
        default=None, description="Audience of the token. Defaults to the API server.", examples=["vault"]
    )
    expiration_seconds: (
        Annotated[int, Field(ge=600, le=2_147_483_647, json_schema_extra={"format": "int64"})] | None
    ) = Field(default=None, description="Lifetime of a token in seconds. Defaults to 3600.", examples=[7200])


class ProjectedSource(ApiModel):
    """One source of a projected volume."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            Rule(
                "[has(self.configMap), has(self.secret), has(self.downwardAPI), has(self.serviceAccountToken)]"
                ".filter(x, x).size() == 1",
                "set exactly one of configMap, secret, downwardAPI and serviceAccountToken",
            )
        )
    )
    config_map: ProjectedObject | None = Field(
        default=None, description="Files of a ConfigMap.", examples=[{"name": "labels"}]
    )
    secret: ProjectedObject | None = Field(
        default=None, description="Files of a Secret.", examples=[{"name": "signing-key"}]
    )
    downward_api: ProjectedDownward | None = Field(
        default=None, alias="downwardAPI", description="Fields of the pod.", examples=[{"items": _DOWNWARD_EXAMPLE}]
    )
    service_account_token: ServiceAccountToken | None = Field(
        default=None, description="A token of the ServiceAccount.", examples=[{"path": "token", "audience": "vault"}]
    )


def _files_of(source: str) -> str:
    """Return an expression for the files that a projected source names."""
    return (
        f"(has({source}.serviceAccountToken) ? [{source}.serviceAccountToken.path]"
        f" : has({source}.downwardAPI) ? {source}.downwardAPI.items.map(f, f.path)"
        f" : has({source}.configMap) && has({source}.configMap.items) ? {source}.configMap.items.map(f, f.path)"
        f" : has({source}.secret) && has({source}.secret.items) ? {source}.secret.items.map(f, f.path) : [])"
    )


_EACH_FILE_ONCE = Rule(
    f"self.all(s, {_files_of('s')}.all(p, self.map(o, {_files_of('o')}.filter(q, q == p).size()).sum() == 1))",
    "each path must be used once in all sources: choose another path",
)


class ProjectedMount(ApiModel):
    """Several sources in one directory."""

    sources: list[ProjectedSource] = Field(
        min_length=1,
        max_length=4,
        description="Sources of the files.",
        examples=[[{"serviceAccountToken": {"path": "token", "audience": "vault"}}]],
        json_schema_extra=ATOMIC | cel_rules(_EACH_FILE_ONCE),
    )
    default_mode: FileMode | None = Field(default=None, description=_MODE_TEXT, examples=[0o440])


_SOURCES = "configMap, secret, persistentVolumeClaim, emptyDir, csi, ephemeral, projected and downwardAPI"
_COUNTED = ", ".join(f"has(self.{name})" for name in (*_SOURCES.replace(" and ", ", ").split(", "), "hostPath"))


_RESERVED_NAMES = ["tmp", "home", "model", "model-credentials", "model-ca-bundle"]


class Mount(ApiModel):
    """A volume mounted into the model container."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            Rule(f"[{_COUNTED}].filter(x, x).size() == 1", f"set exactly one of {_SOURCES}"),
            HOST_PATH_RULE,
        )
    )
    name: Annotated[
        str,
        dns_label(
            "volume",
            rules=cel_rules(
                Rule(
                    f"!(self in {_RESERVED_NAMES}) && !self.matches('^model-(extra|credentials)-')",
                    "the names tmp, home, model, model-credentials, model-ca-bundle and those beginning with"
                    " model-extra- or model-credentials- are reserved: choose another name",
                )
            ),
        ),
    ] = Field(description="Name of the volume.", examples=["labels"])
    mount_path: MountPath = Field(
        description="Path of the volume in the container. A volume at /tmp replaces the operator's.",
        examples=["/etc/labels"],
    )
    sub_path: RelativePath | None = Field(
        default=None,
        description="Directory or file in the volume. Defaults to the root of the volume.",
        examples=["labels.json"],
    )
    read_only: bool | None = Field(default=None, description="Mount the volume read-only.", examples=[True])
    config_map: ConfigMapMount | None = Field(
        default=None, description="Mount a ConfigMap.", examples=[{"name": "labels"}]
    )
    secret: SecretMount | None = Field(default=None, description="Mount a Secret.", examples=[{"name": "signing-key"}])
    persistent_volume_claim: ClaimVolume | None = Field(
        default=None, description="Mount a PersistentVolumeClaim.", examples=[{"claimName": "features"}]
    )
    empty_dir: EmptyDirMount | None = Field(
        default=None, description="Mount an empty directory.", examples=[{"sizeLimit": "1Gi"}]
    )
    csi: CsiMount | None = Field(
        default=None,
        description="Mount a volume of a CSI driver, such as a bucket.",
        examples=[{"driver": "gcsfuse.csi.storage.gke.io", "volumeAttributes": {"bucketName": "models"}}],
    )
    ephemeral: EphemeralMount | None = Field(
        default=None,
        description="Mount a claim that each pod gets, such as a fast local disk.",
        examples=[{"volumeClaimTemplate": {"spec": _CLAIM_SPEC_EXAMPLE}}],
    )
    projected: ProjectedMount | None = Field(
        default=None,
        description="Mount several sources in one directory.",
        examples=[{"sources": [{"serviceAccountToken": {"path": "token", "audience": "vault"}}]}],
    )
    downward_api: DownwardMount | None = Field(
        default=None,
        alias="downwardAPI",
        description="Mount fields of the pod as files.",
        examples=[{"items": _DOWNWARD_EXAMPLE}],
    )
    host_path: HostPath | None = Field(
        default=None,
        description="Always refused: a path of the node. Use persistentVolumeClaim, csi or model.uri.",
        examples=[{"path": "/data"}],
    )


Mounts = Annotated[
    list[Mount],
    Field(
        max_length=16,
        json_schema_extra=list_map("name")
        | cel_rules(
            Rule(
                "self.all(one, self.exists_one(other, other.mountPath == one.mountPath))",
                "each mountPath must be used once: choose another path",
            )
        ),
    ),
]
VOLUME_RULES = (
    Rule(
        "!has(self.mounts) || has(self.serviceAccountName) || self.mounts.all(mount, !has(mount.projected)"
        " || mount.projected.sources.all(source, !has(source.serviceAccountToken)))",
        "serviceAccountToken in mounts requires serviceAccountName: name the account of the token",
        ".mounts",
    ),
)
"""Rules of the spec about volumes."""
