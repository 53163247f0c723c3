"""The objects of the benchmark: ModelServices, and the children that every peer creates for them.

The children are built by the operator under test, with placeholders for the values that differ by object. Every
peer uses the same template, so that all write the same amount of data.
"""

import json
from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    MODEL_SERVICE,
    SERVICE,
    ResourceKind,
)
from modelservice_operator.resources import build_children

NAME, NAMESPACE, UID = "__NAME__", "__NAMESPACE__", "__UID__"
CHILDREN: dict[str, ResourceKind] = {
    "deployment": DEPLOYMENT,
    "service": SERVICE,
    "autoscaler": HORIZONTAL_POD_AUTOSCALER,
}
"""Names of the children in the template."""

_REQUESTS = {"cpu": "10m", "memory": "16Mi"}
"""Small requests, so that thousands of pods fit on the simulated nodes."""


def model_service(name: str, namespace: str, *, replicas: int) -> dict[str, Any]:
    """Return a ModelService with an image, a model and an autoscaler: three children.

    The metric is external, which allows 0 replicas. No controller reads it while the benchmark runs.
    """
    target = {"type": "AverageValue", "averageValue": "30"}
    metric = {"type": "External", "external": {"metric": {"name": "waiting-requests"}, "target": target}}
    return {
        "apiVersion": MODEL_SERVICE.api_version,
        "kind": MODEL_SERVICE.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "image": "modelservice.dev/examples/diabetes:0.1.0",
            "model": {"uri": "file:///app/model.joblib"},
            "replicas": replicas,
            "autoscaling": {"minReplicas": replicas, "maxReplicas": 3, "metrics": [metric]},
            "resources": {"requests": _REQUESTS},
        },
    }


def children_of(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the create bodies of the children of a stored ModelService, by their names in the template."""
    names = {kind: name for name, kind in CHILDREN.items()}
    return {names[child.kind]: child.create_body() for child in build_children(ModelService.parse(body))}


def children_template() -> str:
    """Return the children as JSON with placeholders. The value of the hash annotation does not matter."""
    body = model_service(NAME, NAMESPACE, replicas=1)
    body["metadata"] |= {"uid": UID, "generation": 1}
    return json.dumps(children_of(body), indent=1)


def fill_template(text: str, *, name: str, namespace: str, uid: str) -> str:
    """Return the template with the values of one object."""
    return text.replace(NAMESPACE, namespace).replace(NAME, name).replace(UID, uid)
