"""Builds the volume of the model: downloaded by an init container, or mounted. The scheme of the URI decides.

The contract with the loader is its environment (MODEL_URI, MODEL_PATH and others), the files of the Secret of
model.credentials, its exit code and its termination message; model.loader.image may be another image that follows it.
The Secret is mounted, not put into the environment: its keys could otherwise set any variable of the process, and
children and crash reports of a process contain its environment. A downloaded model is published in a directory named
after a hash of all settings that determine its content. Only this directory is mounted into the server, read-only, so
pods of two revisions can share a claim.

Each extra model has a separate loader, which differs from that of the model in its names and source only.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from modelservice_operator.api.v1alpha1.model import Cache, ClaimCache, ExtraModel, Loader, ModelSource
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.api.v1alpha1.volumes import EmptyDirMount
from modelservice_operator.apimachinery.quantity import Quantity, parse_quantity
from modelservice_operator.resources.metadata import EXTRA_LOADER_PREFIX, LOADER_NAME, RESOLVER_NAME, omit_none
from modelservice_operator.resources.security_context import container_security
from modelservice_operator.settings import LoaderSettings

MODEL_VOLUME_NAME = "model"
CACHE_PATH = "/model-cache"
"""Path of the cache in the loader."""
CREDENTIALS_VOLUME_NAME = "model-credentials"
CREDENTIALS_PATH = "/model-credentials"
"""Directory of the loader with a file for each key of the Secret."""
CA_VOLUME_NAME = "model-ca-bundle"
CA_PATH = "/model-ca-bundle"
CA_FILE = "ca-bundle.crt"
"""Name of the file in CA_PATH, whatever the key of the ConfigMap is."""
PROGRESS_PORT = 9413
"""Port at which a loader reports its progress while it runs (`model_loader.progress_server`).

No variable names it: the pod template of an earlier version stays as it was.
"""
RESOLUTION_VARIABLE = "MODEL_RESOLUTION"
"""Variable of the loader: revision that the URI last resolved to, with updatePolicy Auto."""
IMAGE_MODEL_PATH = "models"
"""Directory of an image volume that contains the model (modelcar convention)."""

_DEFAULT_SIZE = "10Gi"
_NO_LIMIT = 1 << 60
"""Bytes. The loader checks the size of the claim instead."""
_REQUESTS = {"cpu": "100m", "memory": "128Mi"}
_MEMORY_LIMIT = 512 << 20
_CREDENTIALS_MODE = 0o440
"""Root owns the files. The kubelet gives them the pod's fsGroup, which the loader is a member of."""
_DOWNLOADED_SCHEMES = frozenset(
    {"s3", "gs", "az", "abfs", "abfss", "https", "http", "hf", "models", "runs", "oci+artifact"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVolume:
    """Parts of a pod that provide its model."""

    init_containers: tuple[dict[str, Any], ...] = ()
    volumes: tuple[dict[str, Any], ...] = ()
    mounts: tuple[dict[str, Any], ...] = ()
    """Volume mounts of the model: one, or none."""
    extra_mounts: tuple[dict[str, Any], ...] = ()
    """Volume mounts of the extra models."""
    timeout_seconds: int = 0
    """Maximum time before the server can start."""


NO_MODEL_VOLUME = ModelVolume()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """Names of a loader and its volumes in a pod."""

    container: str
    volume: str
    credentials: str


_MODEL_NAMES = _Names(container=LOADER_NAME, volume=MODEL_VOLUME_NAME, credentials=CREDENTIALS_VOLUME_NAME)


def scheme_of(service: ModelService) -> str:
    """Return the scheme of the model's URI; empty if it has no URI."""
    model = service.spec.model
    return (model.uri or "").partition(":")[0] if model is not None else ""


def is_downloaded(service: ModelService) -> bool:
    """Return True if a loader downloads the model."""
    return scheme_of(service) in _DOWNLOADED_SCHEMES


def has_loader(service: ModelService) -> bool:
    """Return True if a loader downloads the model or an extra one."""
    model = service.spec.model
    return is_downloaded(service) or (model is not None and bool(model.extra))


def is_mounted(service: ModelService) -> bool:
    """Return True if the model is mounted from a claim or an image."""
    return scheme_of(service) in {"pvc", "oci"}


def build_model_volume(service: ModelService, settings: LoaderSettings, resolution: str | None) -> ModelVolume:
    """Return containers and volumes of all models. `resolution` is the revision that the URI resolved to, if known."""
    model = service.spec.model
    if model is None:
        return NO_MODEL_VOLUME
    volume = _build_main_volume(service, model, settings, resolution)
    extras = [_build_extra_volume(service, model, extra, settings) for extra in model.extra_models]
    parts = (volume, *extras)
    return ModelVolume(
        init_containers=tuple(container for part in parts for container in part.init_containers),
        volumes=_unique_volumes(parts),
        mounts=volume.mounts,
        extra_mounts=tuple(mount for extra in extras for mount in extra.mounts),
        timeout_seconds=sum(part.timeout_seconds for part in parts),
    )


def _unique_volumes(parts: Iterable[ModelVolume]) -> tuple[dict[str, Any], ...]:
    """Return the volumes of all parts. Loaders share that of the certificate authorities, and of a claim."""
    volumes = {volume["name"]: volume for part in parts for volume in part.volumes}
    return tuple(volumes.values())


def _build_main_volume(
    service: ModelService, model: ModelSource, settings: LoaderSettings, resolution: str | None
) -> ModelVolume:
    if is_downloaded(service):
        return _build_downloaded(service, model, settings, resolution, _MODEL_NAMES)
    match scheme_of(service):
        case "pvc":
            return _build_claim_volume(model)
        case "oci":
            return _build_image_volume(model)
        case _:
            return NO_MODEL_VOLUME


def _build_extra_volume(
    service: ModelService, model: ModelSource, extra: ExtraModel, settings: LoaderSettings
) -> ModelVolume:
    options = model.loader or Loader.default()
    cache = model.cache if is_downloaded(service) else None
    source = ModelSource(
        uri=extra.uri,
        revision=extra.revision,
        sha256=extra.sha256,
        credentials=extra.credentials,
        path=extra.mount_path,
        loader=Loader(image=options.image, resources=options.resources, timeout_seconds=options.timeout_seconds),
        cache=cache,
    )
    # A pod must not have two volumes of one claim: its kubelet may wait for the second one forever
    # (kubernetes/kubernetes#82526).
    shares_claim = cache is not None and cache.persistent_volume_claim is not None
    names = _Names(
        container=f"{EXTRA_LOADER_PREFIX}{extra.name}",
        volume=MODEL_VOLUME_NAME if shares_claim else f"model-extra-{extra.name}",
        credentials=f"{CREDENTIALS_VOLUME_NAME}-{extra.name}",
    )
    return _build_downloaded(service, source, settings, None, names)


def _build_downloaded(
    service: ModelService, model: ModelSource, settings: LoaderSettings, resolution: str | None, names: _Names
) -> ModelVolume:
    cache = model.cache or Cache.default()
    options = model.loader or Loader.default()
    key = cache_key(model, resolution)
    claim = cache.persistent_volume_claim
    sub_path = "/".join(part for part in (claim.sub_path if claim else None, key) if part)
    container = {
        "name": names.container,
        "image": options.image or settings.image,
        "env": _build_loader_environment(service, model, settings, resolution),
        "resources": _build_loader_resources(options, cache),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": container_security(),
        "volumeMounts": [_build_cache_mount(names.volume, claim), *_build_input_mounts(model, settings, names)],
    }
    return ModelVolume(
        init_containers=(container,),
        volumes=(
            {"name": names.volume} | _build_cache_volume(cache),
            *_build_input_volumes(model, settings, names),
        ),
        mounts=({"name": names.volume, "mountPath": model.path, "subPath": sub_path, "readOnly": True},),
        timeout_seconds=_timeout_seconds(options, settings),
    )


def cache_key(model: ModelSource, resolution: str | None) -> str:
    """Return the name of the published directory, a hash of the settings that determine its content."""
    options = model.loader or Loader.default()
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


def pinned_revision(deployment: Mapping[str, Any] | None, model: ModelSource) -> str | None:
    """Return the revision that the Deployment pins; None if it pins none or loads another model."""
    if deployment is None:
        return None
    containers = deployment["spec"]["template"]["spec"].get("initContainers") or ()
    loader: Mapping[str, Any] = next((one for one in containers if one.get("name") == LOADER_NAME), {})
    environment = {entry.get("name"): entry.get("value") for entry in loader.get("env") or ()}
    pinned = environment.get(RESOLUTION_VARIABLE) or None
    is_same_model = environment.get("MODEL_PATH") == f"{CACHE_PATH}/{cache_key(model, pinned)}"
    return pinned if is_same_model else None


def build_resolver_container(service: ModelService, settings: LoaderSettings) -> dict[str, Any]:
    """Return the container that resolves the URI without downloading: the loader without its cache.

    Its pod needs the volumes of `build_input_volumes`.
    """
    model = service.spec.model or ModelSource.default()
    [container] = _build_downloaded(service, model, settings, None, _MODEL_NAMES).init_containers
    without_cache = {name: value for name, value in container.items() if name != "volumeMounts"}
    mounts = _build_input_mounts(model, settings, _MODEL_NAMES)
    return without_cache | {"name": RESOLVER_NAME, "args": ["--resolve"], **omit_none(volumeMounts=mounts or None)}


def build_input_volumes(model: ModelSource, settings: LoaderSettings) -> list[dict[str, Any]]:
    """Return the volumes that the loader of the model reads. No other container has them."""
    return _build_input_volumes(model, settings, _MODEL_NAMES)


def _build_input_volumes(model: ModelSource, settings: LoaderSettings, names: _Names) -> list[dict[str, Any]]:
    """Return the volumes that a loader reads: credentials and certificate authorities."""
    volumes: list[dict[str, Any]] = []
    if model.credentials is not None:
        secret = {"secretName": model.credentials.secret_ref.name, "defaultMode": _CREDENTIALS_MODE}
        volumes.append({"name": names.credentials, "secret": secret})
    if settings.ca_bundle is not None:
        name, _, key = settings.ca_bundle.partition("/")
        # Optional: a namespace may not have it, and a public store does not need it.
        source = {"name": name, "items": [{"key": key, "path": CA_FILE}], "optional": True}
        volumes.append({"name": CA_VOLUME_NAME, "configMap": source})
    return volumes


def _build_input_mounts(model: ModelSource, settings: LoaderSettings, names: _Names) -> list[dict[str, Any]]:
    paths = {names.credentials: CREDENTIALS_PATH, CA_VOLUME_NAME: CA_PATH}
    volumes = [volume["name"] for volume in _build_input_volumes(model, settings, names)]
    return [{"name": name, "mountPath": paths[name], "readOnly": True} for name in volumes]


def _build_loader_environment(
    service: ModelService, model: ModelSource, settings: LoaderSettings, resolution: str | None
) -> list[dict[str, Any]]:
    """Return the environment of the loader. Nothing of it can come from the Secret of the credentials."""
    options = model.loader or Loader.default()
    values: Mapping[str, str] = {
        "MODEL_URI": model.uri or "",
        "MODEL_PATH": f"{CACHE_PATH}/{cache_key(model, resolution)}",
        "MODEL_REVISION": model.revision or "",
        "MODEL_SHA256": model.sha256 or "",
        RESOLUTION_VARIABLE: resolution or "",
        "MODEL_ALLOW_PATTERNS": "\n".join(options.allow_patterns or ()),
        "MODEL_IGNORE_PATTERNS": "\n".join(options.ignore_patterns or ()),
        "MODEL_EXTRACT": "true" if options.extract else "",
        "MODEL_MAX_BYTES": str(_size_limit_bytes(model.cache or Cache.default())),
        "MODEL_MAX_FILES": "",
        "MODEL_TIMEOUT_SECONDS": str(_timeout_seconds(options, settings)),
        "MODEL_ALLOWED_CIDRS": " ".join(settings.allowed_cidrs),
        # A pod without a name of a ServiceAccount runs as `default`, whose cloud identity is not meant for the model.
        "MODEL_IDENTITY": "ServiceAccount" if service.spec.service_account_name is not None else "",
        # Only where they are set: a template without them stays as it was (see `retained`).
        **({"MODEL_CREDENTIALS_DIR": CREDENTIALS_PATH} if model.credentials is not None else {}),
        **({"MODEL_PROXY": settings.proxy} if settings.proxy is not None else {}),
        **({"MODEL_NO_PROXY": ",".join(settings.no_proxy)} if settings.no_proxy else {}),
        **({"MODEL_CA_BUNDLE": f"{CA_PATH}/{CA_FILE}"} if settings.ca_bundle is not None else {}),
    }
    # The API server drops an empty value, which would otherwise count as drift; `$` is doubled for the kubelet.
    return [{"name": name, **omit_none(value=text.replace("$", "$$") or None)} for name, text in values.items()]


def _timeout_seconds(options: Loader, settings: LoaderSettings) -> int:
    return options.timeout_seconds or settings.timeout_seconds


def _size_limit_bytes(cache: Cache) -> int:
    """Return the size limit of the cache. The loader checks it: a pod that exceeds it is evicted without details."""
    if cache.persistent_volume_claim is not None:
        return _NO_LIMIT
    size = cache.empty_dir.size_limit if cache.empty_dir is not None else None
    return int(parse_quantity(size or _DEFAULT_SIZE) or _NO_LIMIT)


def _build_loader_resources(options: Loader, cache: Cache) -> dict[str, dict[str, Quantity]]:
    """Return the resources of the loader, enough for any model: it downloads in parts. A cache in memory is added."""
    if options.resources is not None:
        blocks = {"requests": options.resources.requests, "limits": options.resources.limits}
        return {kind: _quantities(amounts) for kind, amounts in blocks.items() if amounts}
    in_memory = cache.empty_dir is not None and cache.empty_dir.medium == "Memory"
    limit = _MEMORY_LIMIT + (_size_limit_bytes(cache) if in_memory else 0)
    return {"requests": _quantities(_REQUESTS), "limits": {"memory": Quantity(str(limit))}}


def _quantities(amounts: Mapping[str, Any]) -> dict[str, Quantity]:
    return {name: Quantity(value) for name, value in amounts.items()}


def _build_cache_mount(volume: str, claim: ClaimCache | None) -> dict[str, Any]:
    sub_path = claim.sub_path if claim is not None else None
    return {"name": volume, "mountPath": CACHE_PATH, **omit_none(subPath=sub_path)}


def _build_cache_volume(cache: Cache) -> dict[str, Any]:
    if cache.persistent_volume_claim is not None:
        return {"persistentVolumeClaim": {"claimName": cache.persistent_volume_claim.claim_name}}
    empty = cache.empty_dir or EmptyDirMount.default()
    size = Quantity(empty.size_limit or _DEFAULT_SIZE)
    return {"emptyDir": {"sizeLimit": size, **omit_none(medium=empty.medium or None)}}


def _build_claim_volume(model: ModelSource) -> ModelVolume:
    """Return a directory of a claim, mounted read-only."""
    claim, _, path = (model.uri or "").removeprefix("pvc://").partition("/")
    mount = {"name": MODEL_VOLUME_NAME, "mountPath": model.path, "readOnly": True}
    return ModelVolume(
        # `readOnly` of the claim too: the volume may be in use by a pod that writes and by pods that read.
        volumes=({"name": MODEL_VOLUME_NAME, "persistentVolumeClaim": {"claimName": claim, "readOnly": True}},),
        mounts=(mount | omit_none(subPath=path.strip("/") or None),),
    )


def _build_image_volume(model: ModelSource) -> ModelVolume:
    """Return an image volume (KEP-4639). The kubelet pulls the image with the pull secrets of the pod."""
    reference = (model.uri or "").removeprefix("oci://")
    image = {"reference": reference, "pullPolicy": "IfNotPresent"}
    mount = {"name": MODEL_VOLUME_NAME, "mountPath": model.path, "subPath": IMAGE_MODEL_PATH, "readOnly": True}
    return ModelVolume(volumes=({"name": MODEL_VOLUME_NAME, "image": image},), mounts=(mount,))
