"""Every field of the CRD's schema, and for each the smallest object that sets it.

The values are the examples of the descriptions, so that the examples in `kubectl explain` are tested.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from modelservice_operator.api.crdgen.crd import root_schema
from tests.support.builders import IMAGE, ModelServiceBuilder, model_service

Schema = dict[str, Any]
ITEM, VALUE = "[]", "{}"
_METRIC = {"type": "Pods", "pods": {"metric": {"name": "a"}, "target": {"type": "AverageValue", "averageValue": 1}}}
_FETCHED = {"uri": "s3://models/iris"}
_LABELS_MOUNT = {"name": "labels", "mountPath": "/etc/labels", "configMap": {"name": "labels"}}
REFUSED_FIELD = "mounts[].hostPath"
"""A field that is always refused, with a sentence."""
REQUIRED_SIBLINGS: dict[str, dict[str, Any]] = {
    "autoscaling.*": {"maxReplicas": 10_000},
    "autoscaling.managedBy": {},
    "autoscaling.metrics[].resource": {"type": "Resource"},
    "autoscaling.metrics[].containerResource": {"type": "ContainerResource"},
    "autoscaling.metrics[].object": {"type": "Object"},
    "autoscaling.metrics[].external": {"type": "External"},
    "autoscaling.metrics[].type": _METRIC,
    "model.revision": _FETCHED,
    "model.credentials": _FETCHED,
    "model.sha256": _FETCHED,
    "model.loader": _FETCHED,
    "model.cache": _FETCHED,
    "model.updatePolicy": _FETCHED,
    "model.refreshIntervalSeconds": {"updatePolicy": "Auto", **_FETCHED},
    "mounts[].*": {"emptyDir": {}},
    "mounts[].configMap": {},
    "mounts[].secret": {},
    "mounts[].persistentVolumeClaim": {},
    **{f"mounts[].{source}": {} for source in ("emptyDir", "csi", "ephemeral", "projected", "downwardAPI", "hostPath")},
    **{
        f"{holder}.items[].{field}": {"fieldRef": {"fieldPath": "metadata.name"}}
        for holder in ("mounts[].downwardAPI", "mounts[].projected.sources[].downwardAPI")
        for field in ("path", "mode")
    },
    "resourceClaims[].name": {"resourceClaimName": "shared-gpu"},
    "automountServiceAccountToken": {"serviceAccountName": "iris"},
    "topologySpreadConstraints[].minDomains": {"whenUnsatisfiable": "DoNotSchedule"},
    "resources": {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]},
    "mounts": {"serviceAccountName": "iris"},
    **{
        f"sidecars[].{field}": {"ports": [{"name": "admin", "containerPort": 9901}]}
        for field in ("probes", "lifecycle")
    },
    **{containers: {"mounts": [_LABELS_MOUNT], "portName": "main"} for containers in ("initContainers", "sidecars")},
    "networkPolicy.*": {"enabled": True},
    "monitoring.podMonitor.*": {"enabled": True},
    "ports": {"portName": "main", "service": {"type": "NodePort"}},
    "resources.requests": {"limits": {"cpu": "2", "memory": "2Gi"}},
    "service.externalTrafficPolicy": {"type": "LoadBalancer"},
    "service.loadBalancerClass": {"type": "LoadBalancer"},
    "service.loadBalancerSourceRanges": {"type": "LoadBalancer"},
    "service.nodePort": {"type": "NodePort"},
    "service.sessionAffinityTimeoutSeconds": {"sessionAffinity": "ClientIP"},
    "service.ipFamilies": {"ipFamilyPolicy": "PreferDualStack"},
    "tolerations[].*": {"key": "a"},
    "tolerations[].tolerationSeconds": {"key": "a", "effect": "NoExecute"},
}
"""Sibling fields that make the object of a field valid, by `parent.field` or `parent.*`; the former has precedence."""
_REQUIREMENTS = ("matchExpressions[].key", "matchExpressions[].operator")
_TERMS = ("podAffinityTerm", "requiredDuringSchedulingIgnoredDuringExecution[]")
REQUIRED_SIBLINGS_BY_SUFFIX: dict[str, dict[str, Any]] = {
    **{key: {"values": ["1"]} for key in _REQUIREMENTS},
    **{f"{term}.{key}": {"labelSelector": {}} for term in _TERMS for key in ("matchLabelKeys", "mismatchLabelKeys")},
    "envFrom[].prefix": {"configMapRef": {"name": "iris-settings"}},
    "target.type": {"averageValue": 1},
    "target.value": {"type": "Value"},
    "target.averageValue": {"type": "AverageValue"},
    "target.averageUtilization": {"type": "Utilization"},
}
"""The same, by the last two parts of a field's path."""


@dataclass(frozen=True)
class SchemaField:
    """One field of the spec or the status, an item of a list, or a value of a map."""

    path: tuple[str, ...]
    schema: Schema

    @property
    def name(self) -> str:
        """Path below `spec` or `status`, such as `env[].name`."""
        return dotted_path(self.path)

    @property
    def example(self) -> Any:
        return self.schema["examples"][0]

    @property
    def is_property(self) -> bool:
        return self.path[-1] not in {ITEM, VALUE}


def dotted_path(path: tuple[str, ...]) -> str:
    return ".".join(path).replace(f".{ITEM}", ITEM).replace(f".{VALUE}", VALUE)


@cache
def fields(part: str = "spec") -> tuple[SchemaField, ...]:
    """Return every field below `spec` or `status`."""
    return tuple(_descendants((), _schema_of(part)))


def _descendants(path: tuple[str, ...], schema: Schema) -> Iterator[SchemaField]:
    children = [(name, child) for name, child in schema.get("properties", {}).items()]
    children += [(mark, schema[key]) for key, mark in ITEM_MARKERS.items() if key in schema]
    for name, child in children:
        yield SchemaField((*path, name), child)
        yield from _descendants((*path, name), child)


ITEM_MARKERS = {"items": ITEM, "additionalProperties": VALUE}


def with_field(path: tuple[str, ...], value: Any) -> ModelServiceBuilder:
    """Return the smallest ModelService whose field at `path` is `value`; required siblings come from the examples."""
    spec = _build_value(_schema_of("spec"), (), path, value)
    return model_service().with_spec(**{"image": IMAGE, **spec})


@cache
def _schema_of(part: str) -> Schema:
    schema: Schema = root_schema()["properties"][part]
    return schema


def _build_value(schema: Schema, above: tuple[str, ...], path: tuple[str, ...], value: Any) -> Any:
    if not path:
        return value
    step, *rest = path
    here = (*above, step)
    if step == ITEM:
        return [_build_value(schema["items"], here, tuple(rest), value)]
    if step == VALUE:
        key = next(iter(schema["examples"][0]))
        return {key: _build_value(schema["additionalProperties"], here, tuple(rest), value)}
    child = _build_value(schema["properties"][step], here, tuple(rest), value)
    return _required_fields(schema, above) | _required_siblings(above, step) | {step: child}


def _required_fields(schema: Schema, above: tuple[str, ...]) -> dict[str, Any]:
    if not above:
        return {}
    return {name: schema["properties"][name]["examples"][0] for name in schema.get("required", ())}


def _required_siblings(above: tuple[str, ...], step: str) -> dict[str, Any]:
    name = dotted_path((*above, step))
    ending = ".".join(name.split(".")[-2:])
    found = (table[key] for table, key in _lookup_order(name, ending, dotted_path((*above, "*"))) if key in table)
    return next(found, {})


def _lookup_order(name: str, ending: str, sibling: str) -> tuple[tuple[dict[str, dict[str, Any]], str], ...]:
    return (REQUIRED_SIBLINGS, name), (REQUIRED_SIBLINGS_BY_SUFFIX, ending), (REQUIRED_SIBLINGS, sibling)
