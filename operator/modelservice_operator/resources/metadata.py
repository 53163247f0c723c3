"""The one author of names, labels, selectors and owner references."""

from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE, ResourceKind
from modelservice_operator.apimachinery.objects import Json
from modelservice_operator.settings import FIELD_MANAGER

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
INSTANCE_LABEL = "app.kubernetes.io/instance"
MANAGED_SELECTOR = f"{MANAGED_BY_LABEL}={FIELD_MANAGER}"
HASH_ANNOTATION = "modelservice.dev/desired-hash"
OWNER_ANNOTATION = "modelservice.dev/owner-uid"
SUSPENDED_ANNOTATION = "modelservice.dev/suspended"
"""Marks a Deployment that we scaled to zero: no autoscaler ever wakes a count of 0, so whoever resumes must."""
CLUSTER_IP_NONE = "None"
"""clusterIP of a headless Service (core/v1, ServiceSpec)."""
MODEL_CACHE_KEY_LABEL = "modelservice.dev/model-key"
"""On pods that look at a model: for which of the spec's settings they did."""
CONTAINER_NAME = "model"
LOADER_NAME = "model-loader"
"""The init container that fetches the model."""
RESOLVER_NAME = "model-resolver"
"""The container that says what the model's URI stands for."""
HTTP_PORT_NAME = "http"

HAS_UPDATE_FIELDS = "modelservice.dev/posted"
"""Key in a cached child: its managedFields hold fields that our POST set (see `cluster.apply`)."""

TEMPLATE_HASH = "pod-template-hash"
"""Label by which a ReplicaSet and its pods know each other (apps/v1)."""
REVISION = "deployment.kubernetes.io/revision"
"""Annotation in which a Deployment and its ReplicaSets carry their revision (apps/v1)."""


def selector(service: ModelService) -> dict[str, str]:
    """Labels by which the pods are found. A Deployment's selector is immutable, so only the name goes in."""
    return {"app.kubernetes.io/name": "modelservice", INSTANCE_LABEL: service.metadata.name}


def labels(service: ModelService) -> dict[str, str]:
    """Labels of every child and pod; nothing is copied from the ModelService's own labels."""
    return selector(service) | {MANAGED_BY_LABEL: FIELD_MANAGER, "app.kubernetes.io/part-of": "modelservice"}


def child_metadata(service: ModelService, *, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    """Metadata of a child: the ModelService's own name, so that one name finds everything."""
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
    """`apiVersion` and `kind` of an object."""
    return {"apiVersion": kind.api_version, "kind": kind.kind}


def omit_none(**fields: Json) -> dict[str, Any]:
    """Return the fields that are not None, in order: an optional field is set or missing, never null."""
    return {name: value for name, value in fields.items() if value is not None}


def int_or_string(text: str) -> int | str:
    """Kubernetes' IntOrString: a count is a number, a share keeps its percent sign."""
    return int(text) if text.isdecimal() else text
