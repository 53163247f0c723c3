"""Model source: URI, credentials, loader, cache and update policy."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.markers import ATOMIC, INT32, ApiModel, Rule, cel_rules, list_map, string_with_pattern
from modelservice_operator.api.primitives import AbsolutePath, ImageReference, PositiveSeconds, RelativePath
from modelservice_operator.api.v1alpha1.environment import LocalReference
from modelservice_operator.api.v1alpha1.pods import OtherResources
from modelservice_operator.api.v1alpha1.uri import DownloadedUri, Uri
from modelservice_operator.api.v1alpha1.volumes import ClaimMount, EmptyDirMount

_FILE = "file://"
EXTRA_MODELS_PATH = "/mnt/models-extra"
"""Directory with the extra models, by name, unless they have a path."""
MAX_EXTRA_MODELS = 8
Patterns = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=1024)]], Field(max_length=64, json_schema_extra=ATOMIC)
]


Revision = Annotated[
    str,
    string_with_pattern(
        "^[A-Za-z0-9][-A-Za-z0-9._/]*$",
        "must be a commit, branch or version: letters, digits, '-', '_', '.' and '/'",
        max_length=256,
    ),
]
Sha256 = Annotated[
    str,
    string_with_pattern("^[0-9a-f]{64}$", "must be a SHA-256 digest: 64 digits 0-9 and letters a-f", max_length=64),
]
ExtraModelName = Annotated[
    str,
    string_with_pattern(
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "must be the name of an extra model: lower-case letters, digits and '-', beginning and ending with a letter or"
        " digit",
        max_length=40,
    ),
]
"""Part of the names of a container and of volumes, which have at most 63 characters (RFC 1123 label)."""
ExtraModelPath = Annotated[
    str,
    string_with_pattern(
        r"^(/[^/\p{C}:]+)+$",
        "must be an absolute path such as /mnt/adapters/sql: without ':', '//', control characters and '/' at the end",
        max_length=256,
        rules=cel_rules(
            ("!self.matches('/[.][.]?(/|$)')", "must not contain '.' and '..' as parts: write the normalized path")
        ),
    ),
]


class Credentials(ApiModel):
    """Credentials for the model store."""

    secret_ref: LocalReference = Field(
        description="Secret whose keys are settings of the store (AWS_*, GOOGLE_*, AZURE_*, HF_TOKEN, MLFLOW_*). It is"
        " mounted into the loader only.",
        examples=[{"name": "model-store"}],
    )


class Loader(ApiModel):
    """The init container that downloads the model."""

    image: ImageReference | None = Field(
        default=None,
        description="Image of the loader. Defaults to the image configured for the operator.",
        examples=["registry.example.com/model-loader:1.0"],
    )
    resources: OtherResources | None = Field(
        default=None, description="CPU and memory of the loader container.", examples=[{"limits": {"memory": "1Gi"}}]
    )
    allow_patterns: Patterns | None = Field(
        default=None,
        description="Download only files that match one of these patterns.",
        examples=[["*.safetensors", "*.json"]],
    )
    ignore_patterns: Patterns | None = Field(
        default=None, description="Skip files that match one of these patterns.", examples=[["*.md"]]
    )
    timeout_seconds: PositiveSeconds | None = Field(
        default=None,
        description="Maximum seconds for the download. Defaults to the operator's setting.",
        examples=[1800],
    )
    extract: bool | None = Field(default=None, description="Unpack the archive that the URI names.", examples=[True])


class ClaimCache(ClaimMount):
    """A directory of a PersistentVolumeClaim, shared by all replicas."""

    sub_path: RelativePath | None = Field(
        default=None, description="Directory in the volume. Defaults to its root.", examples=["models"]
    )


class Cache(ApiModel):
    """Storage of the downloaded model."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "has(self.emptyDir) != has(self.persistentVolumeClaim)",
                "set exactly one of emptyDir and persistentVolumeClaim",
            )
        )
    )
    empty_dir: EmptyDirMount | None = Field(
        default=None,
        description="An emptyDir volume: each replica downloads the model.",
        examples=[{"sizeLimit": "20Gi"}],
    )
    persistent_volume_claim: ClaimCache | None = Field(
        default=None,
        description="A PersistentVolumeClaim: the model is downloaded once.",
        examples=[{"claimName": "models"}],
    )


class ExtraModel(ApiModel):
    """A model or adapter in addition to the model. It is downloaded before the server starts."""

    name: ExtraModelName = Field(
        description="Name of the extra model. Its loader is the init container model-loader-NAME.", examples=["sql"]
    )
    uri: DownloadedUri = Field(
        description="Location of the extra model: s3, gs, az, abfs, https, hf (Hugging Face), models and runs (MLflow)"
        " and oci+artifact.",
        examples=["s3://adapters/sql/v3"],
    )
    path: ExtraModelPath | None = Field(
        default=None,
        description="Path of the extra model in the container. Defaults to /mnt/models-extra/NAME.",
        examples=["/opt/adapters/sql"],
    )
    revision: Revision | None = Field(
        default=None,
        description="Commit or branch of a model hub, or version of an object. Defaults to the latest.",
        examples=["main"],
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 digest to verify the extra model against. If not set, it is not verified.",
        examples=["2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"],
    )
    credentials: Credentials | None = Field(
        default=None,
        description="Credentials for the store of the extra model. Those of the model do not apply.",
        examples=[{"secretRef": {"name": "adapter-store"}}],
    )

    @property
    def mount_path(self) -> str:
        """Path in the container."""
        return self.path or f"{EXTRA_MODELS_PATH}/{self.name}"


_LOADED = "(has(self.uri) && !self.uri.matches('^(file|pvc|oci):'))"
_NOTHING_LOADED = (
    "is only valid for downloaded models: remove it, because models at file://, pvc:// and oci:// are not downloaded"
)


_EXTRA_PATHS = f"self.extra.map(one, (has(one.path) ? one.path : '{EXTRA_MODELS_PATH}/' + one.name) + '/')"
_MODEL_PATH = (
    f"((has(self.uri) && self.uri.startsWith('{_FILE}') ? self.uri.substring({len(_FILE)}) : self.path) + '/')"
    ".replace('//', '/')"
)
_DISJOINT_PATHS = Rule(
    f"!has(self.extra) || [{_EXTRA_PATHS}].all(paths, paths.all(path,"
    " paths.exists_one(other, other.startsWith(path) || path.startsWith(other))"
    f" && !['/tmp/', '/home/model/', {_MODEL_PATH}].exists(other, other.startsWith(path) || path.startsWith(other))))",
    "no path of extra may be, contain or be inside the path of another one or of the model, /tmp or /home/model: choose"
    " another path",
    ".extra",
)
"""A mount inside another one would be created in a volume that is read-only, or hide files."""


class ModelSource(ApiModel):
    """Model that the server loads."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            *(
                Rule(f"!has(self.{field}) || {_LOADED}", f"{field} {_NOTHING_LOADED}")
                for field in ("revision", "credentials", "sha256")
            ),
            Rule(
                f"!has(self.loader) || {_LOADED} || (has(self.extra) && self.extra.size() > 0)",
                f"loader {_NOTHING_LOADED}",
            ),
            Rule(f"!has(self.cache) || {_LOADED}", f"cache {_NOTHING_LOADED}"),
            Rule(f"self.updatePolicy != 'Auto' || {_LOADED}", f"updatePolicy Auto {_NOTHING_LOADED}"),
            (
                "!has(self.refreshIntervalSeconds) || self.updatePolicy == 'Auto'",
                "refreshIntervalSeconds requires updatePolicy Auto: set it, or remove refreshIntervalSeconds",
            ),
            _DISJOINT_PATHS,
        )
    )
    uri: Uri | None = Field(
        default=None,
        description="Location of the model. Models at s3, gs, az, abfs, https, hf (Hugging Face), models and runs"
        " (MLflow) and oci+artifact are downloaded before the server starts; oci (an image) and pvc (a claim) are"
        " mounted; file:///path is a file of the server's image, in which %XX is not decoded.",
        examples=["s3://models/iris/v3"],
    )
    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="Name of the model in the server, passed to it as MODEL_NAME. Defaults to the name of the"
        " ModelService.",
        examples=["diabetes"],
    )
    revision: Revision | None = Field(
        default=None,
        description="Commit or branch of a model hub, or version of an object. Defaults to the latest.",
        examples=["main"],
    )
    path: AbsolutePath = Field(
        default="/mnt/models",
        description="Path of the model in the container, passed to the server as MODEL_PATH. With a file:// URI,"
        " MODEL_PATH is the path of the URI.",
        examples=["/opt/model"],
    )
    credentials: Credentials | None = Field(
        default=None,
        description="Credentials for the model store. They take precedence over the identity of serviceAccountName;"
        " without either, access is anonymous.",
        examples=[{"secretRef": {"name": "model-store"}}],
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 digest to verify the downloaded model against. If not set, it is not verified.",
        examples=["2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"],
    )
    loader: Loader | None = Field(
        default=None,
        description="Options of the init container that downloads the model.",
        examples=[{"timeoutSeconds": 1800}],
    )
    cache: Cache | None = Field(
        default=None,
        description="Storage of the downloaded model. Defaults to an emptyDir volume of at most 10Gi.",
        examples=[{"persistentVolumeClaim": {"claimName": "models"}}],
    )
    extra: list[ExtraModel] | None = Field(
        default=None,
        max_length=MAX_EXTRA_MODELS,
        description="Further models or adapters. Of loader, only image, resources and timeoutSeconds apply to"
        " them. updatePolicy does not.",
        examples=[[{"name": "sql", "uri": "s3://adapters/sql/v3"}]],
        json_schema_extra=list_map("name"),
    )
    update_policy: Literal["OnSpecChange", "Auto", "Never"] = Field(
        default="OnSpecChange",
        description="Update policy: look for a new version of the model when the spec changes (OnSpecChange), also"
        " periodically (Auto), or never (Never).",
        examples=["Auto"],
    )
    refresh_interval_seconds: Annotated[int, Field(ge=60, le=2_592_000, json_schema_extra=INT32)] | None = Field(
        default=None,
        description="Seconds between checks for a new version with updatePolicy Auto. Defaults to the operator's"
        " setting.",
        examples=[3600],
    )

    @property
    def extra_models(self) -> list[ExtraModel]:
        """Extra models in the order in which they are loaded. The order of the list has no effect: see `list_map`."""
        return sorted(self.extra or (), key=lambda extra: extra.name)

    @property
    def mount_path(self) -> str:
        """Value of MODEL_PATH."""
        return self.uri.removeprefix(_FILE) if self.uri and self.uri.startswith(_FILE) else self.path
