"""The schema as a form to fill in: every field, and for each the smallest object that carries it.

The values are the examples of the descriptions, so that what `kubectl explain` shows is what is tested.
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
COMPANIONS: dict[str, dict[str, Any]] = {
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
    "mounts[].emptyDir": {},
    "networkPolicy.*": {"enabled": True},
    "monitoring.podMonitor.*": {"enabled": True},
    "resources.requests": {"limits": {"cpu": "2", "memory": "2Gi"}},
    "service.externalTrafficPolicy": {"type": "LoadBalancer"},
    "service.loadBalancerClass": {"type": "LoadBalancer"},
    "tolerations[].*": {"key": "a"},
    "tolerations[].tolerationSeconds": {"key": "a", "effect": "NoExecute"},
}
"""What must stand beside a field so that its object makes sense; `parent.field` wins over `parent.*`."""
_REQUIREMENTS = ("matchExpressions[].key", "matchExpressions[].operator")
_TERMS = ("podAffinityTerm", "requiredDuringSchedulingIgnoredDuringExecution[]")
ENDINGS: dict[str, dict[str, Any]] = {
    **{key: {"values": ["1"]} for key in _REQUIREMENTS},
    **{f"{term}.{key}": {"labelSelector": {}} for term in _TERMS for key in ("matchLabelKeys", "mismatchLabelKeys")},
    "target.type": {"averageValue": 1},
    "target.value": {"type": "Value"},
    "target.averageValue": {"type": "AverageValue"},
    "target.averageUtilization": {"type": "Utilization"},
}
"""The same, wherever the field is."""


@dataclass(frozen=True)
class FormField:
    """One field of the spec or the status, an item of a list, or a value of a map."""

    path: tuple[str, ...]
    schema: Schema

    @property
    def name(self) -> str:
        """`env[].name`, below `spec`."""
        return dotted(self.path)

    @property
    def example(self) -> Any:
        return self.schema["examples"][0]

    @property
    def is_property(self) -> bool:
        return self.path[-1] not in {ITEM, VALUE}


def dotted(path: tuple[str, ...]) -> str:
    return ".".join(path).replace(f".{ITEM}", ITEM).replace(f".{VALUE}", VALUE)


@cache
def fields(part: str = "spec") -> tuple[FormField, ...]:
    """Every field below `spec` or `status`."""
    return tuple(_below((), _schema_of(part)))


def field(name: str) -> FormField:
    return next(found for found in fields() if found.name == name)


def _below(path: tuple[str, ...], schema: Schema) -> Iterator[FormField]:
    children = [(name, child) for name, child in schema.get("properties", {}).items()]
    children += [(mark, schema[key]) for key, mark in KEYS.items() if key in schema]
    for name, child in children:
        yield FormField((*path, name), child)
        yield from _below((*path, name), child)


KEYS = {"items": ITEM, "additionalProperties": VALUE}


def with_field(path: tuple[str, ...], value: Any) -> ModelServiceBuilder:
    """The smallest ModelService whose field at `path` is `value`; what it needs beside it comes from the examples."""
    spec = _filled(_schema_of("spec"), (), path, value)
    return model_service().with_spec(**{"image": IMAGE, **spec})


@cache
def _schema_of(part: str) -> Schema:
    schema: Schema = root_schema()["properties"][part]
    return schema


def _filled(schema: Schema, above: tuple[str, ...], path: tuple[str, ...], value: Any) -> Any:
    if not path:
        return value
    step, *rest = path
    here = (*above, step)
    if step == ITEM:
        return [_filled(schema["items"], here, tuple(rest), value)]
    if step == VALUE:
        key = next(iter(schema["examples"][0]))
        return {key: _filled(schema["additionalProperties"], here, tuple(rest), value)}
    child = _filled(schema["properties"][step], here, tuple(rest), value)
    return _required(schema, above) | _companions(above, step) | {step: child}


def _required(schema: Schema, above: tuple[str, ...]) -> dict[str, Any]:
    if not above:
        return {}
    return {name: schema["properties"][name]["examples"][0] for name in schema.get("required", ())}


def _companions(above: tuple[str, ...], step: str) -> dict[str, Any]:
    name = dotted((*above, step))
    ending = ".".join(name.split(".")[-2:])
    found = (table[key] for table, key in _places(name, ending, dotted((*above, "*"))) if key in table)
    return next(found, {})


def _places(name: str, ending: str, sibling: str) -> tuple[tuple[dict[str, dict[str, Any]], str], ...]:
    return (COMPANIONS, name), (ENDINGS, ending), (COMPANIONS, sibling)
