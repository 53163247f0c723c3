"""Models -> CustomResourceDefinition with a structural schema (KEP-1929). The result is a plain dict; no I/O.

pydantic describes a model as JSON Schema 2020-12. Kubernetes wants a subset of OpenAPI 3.0 in which nothing is shared
and every node has one type. The differences are few, and each has one function below.
"""

from typing import Any

from modelservice_operator.api.kinds import MODEL_SERVICE
from modelservice_operator.api.status import ModelServiceStatus
from modelservice_operator.api.v1alpha1 import MAX_NAME_LENGTH, ModelServiceSpec

Schema = dict[str, Any]

_DROPPED = ("title", "examples", "$defs", "additionalProperties")
_PRINTER_COLUMNS = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "", 0),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', "", 0),
    ("Replicas", "integer", ".status.readyReplicas", "Replicas that are ready.", 0),
    ("Desired", "integer", ".status.desiredReplicas", "Replicas that should exist.", 0),
    ("Model", "string", ".spec.model.uri", "", 0),
    ("Age", "date", ".metadata.creationTimestamp", "", 0),
    ("URL", "string", ".status.url", "", 1),
    ("Image", "string", ".spec.image", "", 1),
)
_NAME_RULE = {
    "rule": f"self.metadata.name.size() <= {MAX_NAME_LENGTH}"
    " && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "message": "metadata.name must start with a lower-case letter, contain only a-z, 0-9 and '-', not end in '-' and be"
    f" at most {MAX_NAME_LENGTH} characters long (RFC 1035 label): the Service carries the same name",
}


def structural(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """One node of JSON Schema as a node of a structural schema: references inlined, null alternatives removed."""
    node = _inlined(_without_null(_inlined(schema, definitions)), definitions)
    result = {key: value for key, value in node.items() if key not in _DROPPED}
    if "properties" in node:
        result["properties"] = {name: structural(value, definitions) for name, value in node["properties"].items()}
    if "items" in node:
        result["items"] = structural(node["items"], definitions)
    if isinstance(node.get("additionalProperties"), dict):
        result["additionalProperties"] = structural(node["additionalProperties"], definitions)
    if result.get("default", ...) is None:
        del result["default"]  # "absent" is how Kubernetes spells null
    return _described(_int_or_string(result), node)


def _inlined(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """`$ref` replaced by what it names; what stands beside it (a description, a default) wins."""
    if "$ref" not in schema:
        return schema
    target = definitions[schema["$ref"].removeprefix("#/$defs/")]
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return _inlined(target, definitions) | beside


def _without_null(schema: Schema) -> Schema:
    """`T | None` as plain T: an optional field is simply not required."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1 or len(choices) == len(schema["anyOf"]):
        return schema
    outer = {key: value for key, value in schema.items() if key != "anyOf"}
    inner: Schema = choices[0]
    return inner | outer


def _int_or_string(schema: Schema) -> Schema:
    """`str | int` as Kubernetes' own int-or-string, which carries no type."""
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("type", None)
        schema["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    return schema


def _described(schema: Schema, source: Schema) -> Schema:
    """OpenAPI 3.0 in a CRD has no place for examples that kubectl explain shows: they end the description."""
    if source.get("examples") and "description" in schema:
        schema["description"] += f" Example: {source['examples'][0]}"
    return schema


def _schema_of(model: type[ModelServiceSpec] | type[ModelServiceStatus]) -> Schema:
    schema = model.model_json_schema(by_alias=True)
    return structural(schema, schema.get("$defs", {}))


def _root_schema() -> Schema:
    return {
        "type": "object",
        "description": "A model server with its Service and autoscaler.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _schema_of(ModelServiceSpec),
            # kstatus takes an object without observedGeneration for current: -1 says that nobody has looked at it yet.
            "status": _schema_of(ModelServiceStatus) | {"default": {"observedGeneration": -1}},
        },
        "x-kubernetes-validations": [_NAME_RULE],
    }


def _version() -> dict[str, Any]:
    return {
        "name": MODEL_SERVICE.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _root_schema()},
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
    """The CRD that `crds/` holds, ready to be written as YAML."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{MODEL_SERVICE.plural}.{MODEL_SERVICE.group}"},
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
