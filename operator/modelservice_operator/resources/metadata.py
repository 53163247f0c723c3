"""Names, labels, selectors, annotations and owner references of the children."""

from collections.abc import Sequence
from typing import Any

from modelservice_operator.api.markers import ApiModel
from modelservice_operator.api.v1alpha1.spec import ModelService, ModelServiceSpec
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE, ResourceKind
from modelservice_operator.apimachinery.objects import Json
from modelservice_operator.apimachinery.well_known import INSTANCE_LABEL, MANAGED_BY_LABEL
from modelservice_operator.settings import FIELD_MANAGER

MANAGED_SELECTOR = f"{MANAGED_BY_LABEL}={FIELD_MANAGER}"
HASH_ANNOTATION = "modelservice.dev/desired-hash"
OWNER_ANNOTATION = "modelservice.dev/owner-uid"
ADOPT_BY_ANNOTATION = "modelservice.dev/adopt-by"
"""On any object: the name of the ModelService that may take it over. Only who may change the object can set it."""
LOADER_SETTINGS_ANNOTATION = "modelservice.dev/loader-settings"
TEMPLATE_HASH_ANNOTATION = "modelservice.dev/template-hash"
"""On a Deployment with a loader: the operator's settings that its pod template has, and the hash of the template."""
SUSPENDED_ANNOTATION = "modelservice.dev/suspended"
"""On a Deployment that the operator scaled to zero. No autoscaler acts on 0 replicas: the operator resumes it."""
CLUSTER_IP_NONE = "None"
"""clusterIP of a headless Service (core/v1, ServiceSpec)."""
MODEL_CACHE_KEY_LABEL = "modelservice.dev/model-key"
"""On resolver pods: cache key of the model settings that they resolved."""
CONTAINER_NAME = "model"
LOADER_NAME = "model-loader"
"""Name of the init container that downloads the model."""
EXTRA_LOADER_PREFIX = f"{LOADER_NAME}-"
"""Prefix of the names of those that download the extra models. No other container may have it."""
RESOLVER_NAME = "model-resolver"
"""Name of the container that resolves the model's URI."""

HAS_UPDATE_FIELDS = "modelservice.dev/posted"
"""Key in a cached child: its managedFields contain an Update entry of the operator's POST (see `apply.writer`)."""
HAS_CO_OWNERS = "modelservice.dev/co-owned"
"""Key in a cached child, only where True: another field manager owns a field that the operator owns too."""


def is_loader_name(name: object) -> bool:
    """Return True for the name of an init container that downloads the model or an extra one."""
    return isinstance(name, str) and (name == LOADER_NAME or name.startswith(EXTRA_LOADER_PREFIX))


def extra_name_of(container_name: str) -> str | None:
    """Return the name of the extra model that a loader downloads; None for the loader of the model."""
    is_extra = container_name.startswith(EXTRA_LOADER_PREFIX)
    return container_name.removeprefix(EXTRA_LOADER_PREFIX) if is_extra else None


def selector(service: ModelService) -> dict[str, str]:
    """Return the labels that select the pods. A Deployment's selector is immutable, so it contains only the name."""
    return {"app.kubernetes.io/name": "modelservice", INSTANCE_LABEL: service.metadata.name}


def labels(service: ModelService) -> dict[str, str]:
    """Return the labels of every child and pod. Labels of the ModelService are not copied."""
    return selector(service) | {MANAGED_BY_LABEL: FIELD_MANAGER, "app.kubernetes.io/part-of": "modelservice"}


def service_name(service: ModelService) -> str:
    """Return the name of the Service. Other children have that of the ModelService (but see `cron_job_name`)."""
    options = service.spec.service
    return (options.name if options is not None else None) or service.metadata.name


def child_metadata(
    service: ModelService,
    *,
    name: str | None = None,
    extra_labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return the metadata of a child, which has the name of the ModelService by default."""
    owner = service.metadata
    return {
        "name": name or owner.name,
        "namespace": owner.namespace,
        "labels": {**(extra_labels or {}), **labels(service)},
        "annotations": {**(annotations or {}), OWNER_ANNOTATION: owner.uid},
        "ownerReferences": [
            {
                "apiVersion": MODEL_SERVICE.api_version,
                "kind": MODEL_SERVICE.kind,
                "name": owner.name,
                "uid": owner.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def type_meta(kind: ResourceKind) -> dict[str, str]:
    """Return `apiVersion` and `kind` of an object."""
    return {"apiVersion": kind.api_version, "kind": kind.kind}


def image_pull_secrets(spec: ModelServiceSpec) -> list[dict[str, str]] | None:
    """Return `imagePullSecrets` of a pod; None if there are none."""
    return [{"name": secret.name} for secret in spec.image_pull_secrets or ()] or None


def omit_none(**fields: Json) -> dict[str, Any]:
    """Return the fields that are not None, in order: an optional field is set or missing, never null."""
    return {name: value for name, value in fields.items() if value is not None}


def dump(model: ApiModel) -> dict[str, Any]:
    """Return a part of the spec that has the form of Kubernetes, without empty lists and maps.

    The API server drops those, which would otherwise count as drift at each reconcile.
    """
    return _without_empty(model.model_dump(by_alias=True, exclude_none=True))


def dump_all(models: Sequence[ApiModel] | None) -> list[dict[str, Any]] | None:
    """Return such parts as a list; None if there are none."""
    return [dump(model) for model in models or ()] or None


def _without_empty(node: dict[str, Any]) -> dict[str, Any]:
    below = {key: _without_empty(value) if isinstance(value, dict) else value for key, value in node.items()}
    return {key: value for key, value in below.items() if value not in ({}, [])}


def int_or_string(text: str) -> int | str:
    """Return an IntOrString (apimachinery): a number for a count, the text for a percentage."""
    return int(text) if text.isdecimal() else text
