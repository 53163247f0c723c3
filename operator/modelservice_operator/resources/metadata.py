"""Names, labels, selectors, annotations and owner references of the children."""

from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelService, ModelServiceSpec
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE, ResourceKind
from modelservice_operator.apimachinery.objects import Json
from modelservice_operator.settings import FIELD_MANAGER

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
INSTANCE_LABEL = "app.kubernetes.io/instance"
MANAGED_SELECTOR = f"{MANAGED_BY_LABEL}={FIELD_MANAGER}"
HASH_ANNOTATION = "modelservice.dev/desired-hash"
OWNER_ANNOTATION = "modelservice.dev/owner-uid"
SUSPENDED_ANNOTATION = "modelservice.dev/suspended"
"""On a Deployment that the operator scaled to zero. No autoscaler acts on 0 replicas: the operator resumes it."""
CLUSTER_IP_NONE = "None"
"""clusterIP of a headless Service (core/v1, ServiceSpec)."""
MODEL_CACHE_KEY_LABEL = "modelservice.dev/model-key"
"""On resolver pods: cache key of the model settings that they resolved."""
CONTAINER_NAME = "model"
LOADER_NAME = "model-loader"
"""Name of the init container that downloads the model."""
RESOLVER_NAME = "model-resolver"
"""Name of the container that resolves the model's URI."""
HTTP_PORT_NAME = "http"

HAS_UPDATE_FIELDS = "modelservice.dev/posted"
"""Key in a cached child: its managedFields contain an Update entry of the operator's POST (see `apply.writer`)."""

TEMPLATE_HASH = "pod-template-hash"
"""Label that a ReplicaSet and its pods share (apps/v1)."""
REVISION = "deployment.kubernetes.io/revision"
"""Annotation with the revision of a Deployment and its ReplicaSets (apps/v1)."""


def selector(service: ModelService) -> dict[str, str]:
    """Return the labels that select the pods. A Deployment's selector is immutable, so it contains only the name."""
    return {"app.kubernetes.io/name": "modelservice", INSTANCE_LABEL: service.metadata.name}


def labels(service: ModelService) -> dict[str, str]:
    """Return the labels of every child and pod. Labels of the ModelService are not copied."""
    return selector(service) | {MANAGED_BY_LABEL: FIELD_MANAGER, "app.kubernetes.io/part-of": "modelservice"}


def child_metadata(service: ModelService, *, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the metadata of a child, which has the name of the ModelService."""
    owner = service.metadata
    return {
        "name": owner.name,
        "namespace": owner.namespace,
        "labels": labels(service),
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


def int_or_string(text: str) -> int | str:
    """Return an IntOrString (apimachinery): a number for a count, the text for a percentage."""
    return int(text) if text.isdecimal() else text
