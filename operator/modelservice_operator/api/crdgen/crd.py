"""Generates the CustomResourceDefinition from the schema of the models. The result is a plain dict; no I/O."""

from typing import Any

from modelservice_operator import __version__
from modelservice_operator.api.crdgen.structural import RULES, Schema, extend_descriptions, structural_schema
from modelservice_operator.api.v1alpha1.spec import MAX_NAME_LENGTH, ModelServiceSpec
from modelservice_operator.api.v1alpha1.status import ModelServiceStatus
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE

VERSION_ANNOTATION = "modelservice.dev/version"
"""On the CRD and on the admission policies: the version of the program that they belong to."""
UNINSTALL_LABEL = "modelservice.dev/uninstall"
"""`keep` on the CRD: the selector `modelservice.dev/uninstall!=keep` of `kubectl delete` spares the ModelServices."""
_PRINTER_COLUMNS = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "", 0),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', "", 0),
    ("Replicas", "integer", ".status.readyReplicas", "Number of ready pods.", 0),
    ("Desired", "integer", ".status.desiredReplicas", "Desired number of pods.", 0),
    ("Model", "string", ".spec.model.uri", "", 0),
    ("Age", "date", ".metadata.creationTimestamp", "", 0),
    ("Loading", "integer", ".status.model.progress.percent", "Loaded percentage of the model, while it is loaded.", 1),
    ("URL", "string", ".status.url", "", 1),
    ("Image", "string", ".spec.image", "", 1),
)
NAME_RULE = {
    "rule": f"self.metadata.name.size() <= {MAX_NAME_LENGTH}"
    " && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "message": "metadata.name must start with a lower-case letter, contain only a-z, 0-9 and '-', not end in '-' and be"
    f" at most {MAX_NAME_LENGTH} characters long (RFC 1035 label): the Service has the same name",
}


def root_schema() -> Schema:
    """Return the schema of a ModelService, with `examples` separate from the descriptions."""
    # kstatus treats an object without observedGeneration as current; -1 marks one that was not reconciled yet.
    unseen = {"default": {"observedGeneration": -1}}
    example = {"spec": {"examples": [{"image": "registry.example.com/iris-server:1.4", "replicas": 2}]}}
    return {
        "type": "object",
        "description": "A model server with its Service and autoscaler.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural_schema(ModelServiceSpec) | example["spec"],
            "status": structural_schema(ModelServiceStatus) | unseen,
        },
        RULES: [NAME_RULE],
    }


def _version() -> dict[str, Any]:
    return {
        "name": MODEL_SERVICE.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": extend_descriptions(root_schema())},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, "priority": priority}
            | ({"description": description} if description else {})
            for name, kind, path, description, priority in _PRINTER_COLUMNS
        ],
    }


def custom_resource_definition() -> dict[str, Any]:
    """Return the CRD in `crds/`, ready to be written as YAML."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{MODEL_SERVICE.plural}.{MODEL_SERVICE.group}",
            "annotations": {VERSION_ANNOTATION: __version__},
            "labels": {UNINSTALL_LABEL: "keep"},
        },
        "spec": {
            "group": MODEL_SERVICE.group,
            "scope": "Namespaced",
            "names": {
                "kind": MODEL_SERVICE.kind,
                "listKind": f"{MODEL_SERVICE.kind}List",
                "plural": MODEL_SERVICE.plural,
                "singular": MODEL_SERVICE.kind.lower(),
                "shortNames": ["msvc"],
                "categories": ["all", "ml"],
            },
            "versions": [_version()],
        },
    }
