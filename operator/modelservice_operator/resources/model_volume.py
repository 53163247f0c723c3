"""How the model gets into the pod: by an init container that fetches it, or as a volume; decided by the URI's scheme.

The contract with the loader is its environment (MODEL_URI, MODEL_PATH and others), its exit code and its termination
message; model.loader.image may bring another one that keeps it. What is fetched is published under a key made of all
that decides the content, and the server sees that folder alone, read-only: pods of two revisions share a claim without
touching each other's model.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from modelservice_operator.api.v1alpha1.model import Cache, ClaimCache, Loader, ModelSource
from modelservice_operator.api.v1alpha1.pods import EmptyDirMount
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.quantity import Quantity, parse_quantity
from modelservice_operator.resources.metadata import LOADER_NAME, RESOLVER_NAME
from modelservice_operator.resources.security_context import CONTAINER_SECURITY
from modelservice_operator.settings import LoaderSettings

MODEL_VOLUME_NAME = "model"
CACHE_PATH = "/model-cache"
"""Where the loader sees the cache."""
RESOLUTION_VARIABLE = "MODEL_RESOLUTION"
"""Variable of the loader: what a URI of updatePolicy Auto stood for when it was looked at last."""
IMAGE_MODEL_PATH = "models"
"""Folder of an image volume that holds the model, as modelcar images have it."""

_DEFAULT_SIZE = "10Gi"
_NO_LIMIT = 1 << 60
"""Bytes: a claim has its own size, which the loader looks at."""
_REQUESTS = {"cpu": "100m", "memory": "128Mi"}
_MEMORY_LIMIT = 512 << 20
_DOWNLOADED_SCHEMES = frozenset({"s3", "gs", "az", "abfs", "abfss", "https", "http", "hf", "models", "oci+artifact"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVolume:
    """What a pod gets for its model."""

    init_containers: tuple[dict[str, Any], ...] = ()
    volumes: tuple[dict[str, Any], ...] = ()
    mounts: tuple[dict[str, Any], ...] = ()
    """Of the model container."""
    timeout_seconds: int = 0
    """Longest time that it takes before the server can start."""


NO_MODEL_VOLUME = ModelVolume()


def scheme_of(service: ModelService) -> str:
    """Scheme of the model's URI; empty where there is none."""
    model = service.spec.model
    return (model.uri or "").partition(":")[0] if model is not None else ""


def is_downloaded(service: ModelService) -> bool:
    """Whether a loader brings the model."""
    return scheme_of(service) in _DOWNLOADED_SCHEMES


def is_mounted(service: ModelService) -> bool:
    """Whether the model is a volume of its own: a claim, or an image."""
    return scheme_of(service) in {"pvc", "oci"}


def build_model_volume(service: ModelService, settings: LoaderSettings, resolution: str | None) -> ModelVolume:
    """Containers and volumes of the model. `resolution` is what the URI stands for, as far as that is known."""
    model = service.spec.model
    if model is None or model.uri is None:
        return NO_MODEL_VOLUME
    if is_downloaded(service):
        return _downloaded(service, model, settings, resolution)
    match scheme_of(service):
        case "pvc":
            return _claim(model)
        case "oci":
            return _image(model)
        case _:
            return NO_MODEL_VOLUME


def _downloaded(
    service: ModelService, model: ModelSource, settings: LoaderSettings, resolution: str | None
) -> ModelVolume:
    cache = model.cache or Cache()
    options = model.loader or Loader()
    key = cache_key(model, resolution)
    claim = cache.persistent_volume_claim
    seen = "/".join(part for part in (claim.sub_path if claim else None, key) if part)
    container = {
        "name": LOADER_NAME,
        "image": options.image or settings.image,
        "env": _environment(service, model, settings, resolution, key),
        "resources": _resources(options, cache),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [_mount(CACHE_PATH, claim)],
    }
    if model.credentials is not None:
        container["envFrom"] = [{"secretRef": {"name": model.credentials.secret_ref.name}}]
    return ModelVolume(
        init_containers=(container,),
        volumes=({"name": MODEL_VOLUME_NAME} | _volume(cache),),
        mounts=({"name": MODEL_VOLUME_NAME, "mountPath": model.path, "subPath": seen, "readOnly": True},),
        timeout_seconds=_timeout_seconds(options, settings),
    )


def cache_key(model: ModelSource, resolution: str | None) -> str:
    """Name of the published folder: equal for equal contents, as far as the spec tells."""
    options = model.loader or Loader()
    parts = [
        model.uri,
        model.revision,
        model.sha256,
        options.allow_patterns,
        options.ignore_patterns,
        bool(options.extract),
        resolution,
    ]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:16]


def build_resolver_container(service: ModelService, settings: LoaderSettings) -> dict[str, Any]:
    """The container that says what the URI stands for now, and fetches nothing: the loader's, without its volume."""
    model = service.spec.model or ModelSource()
    [container] = _downloaded(service, model, settings, None).init_containers
    kept = {name: value for name, value in container.items() if name != "volumeMounts"}
    return kept | {"name": RESOLVER_NAME, "args": ["--resolve"]}


def _environment(
    service: ModelService, model: ModelSource, settings: LoaderSettings, resolution: str | None, key: str
) -> list[dict[str, Any]]:
    """The contract. All of it is always set: what is missing here would be taken from the Secret of the credentials."""
    options = model.loader or Loader()
    by_account = service.spec.service_account_name is not None and model.credentials is None
    values: Mapping[str, str] = {
        "MODEL_URI": model.uri or "",
        "MODEL_PATH": f"{CACHE_PATH}/{key}",
        "MODEL_REVISION": model.revision or "",
        "MODEL_SHA256": model.sha256 or "",
        RESOLUTION_VARIABLE: resolution or "",
        "MODEL_ALLOW_PATTERNS": "\n".join(options.allow_patterns or ()),
        "MODEL_IGNORE_PATTERNS": "\n".join(options.ignore_patterns or ()),
        "MODEL_EXTRACT": "true" if options.extract else "",
        "MODEL_MAX_BYTES": str(_size_limit_bytes(model.cache or Cache())),
        "MODEL_MAX_FILES": "",
        "MODEL_TIMEOUT_SECONDS": str(_timeout_seconds(options, settings)),
        "MODEL_ALLOWED_CIDRS": " ".join(settings.allowed_cidrs),
        "MODEL_IDENTITY": "ServiceAccount" if by_account else "",
    }
    # The API server drops an empty value, which would look like a difference for ever; `$` is doubled as everywhere.
    return [{"name": name} | ({"value": text.replace("$", "$$")} if text else {}) for name, text in values.items()]


def _timeout_seconds(options: Loader, settings: LoaderSettings) -> int:
    return options.timeout_seconds or settings.timeout_seconds


def _size_limit_bytes(cache: Cache) -> int:
    """The size of an emptyDir: a pod that exceeds it is evicted, which says less than a refusal does."""
    if cache.persistent_volume_claim is not None:
        return _NO_LIMIT
    size = cache.empty_dir.size_limit if cache.empty_dir is not None else None
    return int(parse_quantity(size or _DEFAULT_SIZE) or _NO_LIMIT)


def _resources(options: Loader, cache: Cache) -> dict[str, dict[str, Quantity]]:
    """Enough for any size, since a model is fetched piece by piece; what is kept in memory counts as the loader's."""
    if options.resources is not None:
        blocks = {"requests": options.resources.requests, "limits": options.resources.limits}
        return {kind: _quantities(amounts) for kind, amounts in blocks.items() if amounts}
    in_memory = cache.empty_dir is not None and cache.empty_dir.medium == "Memory"
    limit = _MEMORY_LIMIT + (_size_limit_bytes(cache) if in_memory else 0)
    return {"requests": _quantities(_REQUESTS), "limits": {"memory": Quantity(str(limit))}}


def _quantities(amounts: Mapping[str, Any]) -> dict[str, Quantity]:
    return {name: Quantity(value) for name, value in amounts.items()}


def _mount(path: str, claim: ClaimCache | None) -> dict[str, Any]:
    mount = {"name": MODEL_VOLUME_NAME, "mountPath": path}
    return mount | ({"subPath": claim.sub_path} if claim is not None and claim.sub_path else {})


def _volume(cache: Cache) -> dict[str, Any]:
    if cache.persistent_volume_claim is not None:
        return {"persistentVolumeClaim": {"claimName": cache.persistent_volume_claim.claim_name}}
    empty = cache.empty_dir or EmptyDirMount()
    options: dict[str, Any] = {"sizeLimit": Quantity(empty.size_limit or _DEFAULT_SIZE)}
    return {"emptyDir": options | ({"medium": empty.medium} if empty.medium else {})}


def _claim(model: ModelSource) -> ModelVolume:
    """A folder of a claim, which nobody writes."""
    claim, _, path = (model.uri or "").removeprefix("pvc://").partition("/")
    mount = {"name": MODEL_VOLUME_NAME, "mountPath": model.path, "readOnly": True}
    path = path.strip("/")
    return ModelVolume(
        # The API server drops a false, and the kubelet may mount a claim for one pod that writes and one that reads.
        volumes=({"name": MODEL_VOLUME_NAME, "persistentVolumeClaim": {"claimName": claim, "readOnly": True}},),
        mounts=(mount | ({"subPath": path} if path else {}),),
    )


def _image(model: ModelSource) -> ModelVolume:
    """An image as a volume (KEP-4639), which the kubelet pulls with the pod's pull secrets."""
    reference = (model.uri or "").removeprefix("oci://")
    image = {"reference": reference, "pullPolicy": "IfNotPresent"}
    mount = {"name": MODEL_VOLUME_NAME, "mountPath": model.path, "subPath": IMAGE_MODEL_PATH, "readOnly": True}
    return ModelVolume(volumes=({"name": MODEL_VOLUME_NAME, "image": image},), mounts=(mount,))
