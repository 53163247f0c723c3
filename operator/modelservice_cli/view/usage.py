"""Requests against use of the model containers, and advice in the syntax of the spec.

The metrics API has one sample of each pod, of about the last 30 seconds. Advice leaves room above the largest one, is
given only if a request is far from it, and says that it rests on one sample.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from modelservice_cli.view.humanize import format_cpu, format_memory
from modelservice_cli.view.pods import MODEL_CONTAINER
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apimachinery.quantity import parse_quantity

RESOURCES = ("cpu", "memory")
COLUMNS = ("name", "pods", "cpu", "cpu request", "cpu limit", "memory", "memory request", "memory limit", "advice")
_HEADROOM = Decimal("1.25")
"""Advised request: a quarter more than the largest use."""
_LIMIT_HEADROOM = Decimal("1.5")
_OVERSIZED = Decimal(2)
"""A request of more than twice the advised one is too large."""
_MIN_CPU = Decimal("0.01")
_MIN_MEMORY = Decimal(16 * 1024**2)
_NEAR_LIMIT = Decimal("0.9")
_FORMATS = {"cpu": format_cpu, "memory": format_memory}
_MINIMA = {"cpu": _MIN_CPU, "memory": _MIN_MEMORY}


@dataclass(frozen=True, slots=True)
class Use:
    """Use of the model containers of one ModelService, per pod."""

    pods: int
    """Pods with a sample."""
    largest: Mapping[str, Decimal]
    mean: Mapping[str, Decimal]
    requests: Mapping[str, Decimal]
    limits: Mapping[str, Decimal]


def measure(metrics: Iterable[Mapping[str, Any]], pods: Sequence[Mapping[str, Any]]) -> Use:
    """Return the use of the model containers of pods; `metrics` are their PodMetrics.

    Requests and limits are those of the pods, where defaults and a LimitRange are applied.
    """
    samples = [usage for one in metrics if (usage := _container_usage(one)) is not None]
    largest: dict[str, Decimal] = {}
    mean: dict[str, Decimal] = {}
    for resource in RESOURCES:
        values = [value for one in samples if (value := parse_quantity(str(one.get(resource, "")))) is not None]
        if values:
            largest[resource], mean[resource] = max(values), sum(values, Decimal(0)) / len(values)
    container = next((one for pod in reversed(pods) for one in _model_containers(pod)), {})
    resources = container.get("resources") or {}
    return Use(
        len(samples), largest, mean, _quantities(resources.get("requests")), _quantities(resources.get("limits"))
    )


def row(name: str, use: Use, spec: Mapping[str, Any]) -> list[str]:
    """Return the cells of a ModelService: the largest use of a pod, request, limit and advice."""
    cells = [name, str(use.pods)]
    for resource in RESOURCES:
        cells += [_shown(resource, amounts) for amounts in (use.largest, use.requests, use.limits)]
    return [*cells, advice_text(use, spec)]


def to_json(name: str, namespace: str, use: Use, spec: Mapping[str, Any]) -> Object:
    """Return the use of a ModelService as JSON: quantities as text."""
    parts = (("largest", use.largest), ("mean", use.mean), ("requests", use.requests), ("limits", use.limits))
    amounts = {part: {key: _FORMATS[key](value) for key, value in found.items()} for part, found in parts}
    return {"namespace": namespace, "name": name, "pods": use.pods, **amounts, "advice": advise(use, spec)}


def advice_text(use: Use, spec: Mapping[str, Any]) -> str:
    """Return the advice as YAML of one line, as it is written into a spec; empty if there is none."""
    resources = advise(use, spec)
    if not resources:
        return ""
    parts = ", ".join(f"{part}: {{{_pairs(amounts)}}}" for part, amounts in resources.items())
    return f"resources: {{{parts}}}"


def advise(use: Use, spec: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return `resources` with the changed amounts; {} if the requests fit, or without samples."""
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for resource, largest in use.largest.items():
        wanted = max(largest * _HEADROOM, _MINIMA[resource])
        request, limit = use.requests.get(resource), use.limits.get(resource)
        is_target = resource == "cpu" and _scales_by_cpu(spec)
        if request is None or largest > request or (request > wanted * _OVERSIZED and not is_target):
            requests[resource] = _FORMATS[resource](wanted)
        if limit is not None and largest > limit * _NEAR_LIMIT:
            limits[resource] = _FORMATS[resource](max(largest * _LIMIT_HEADROOM, wanted))
    return {name: amounts for name, amounts in (("requests", requests), ("limits", limits)) if amounts}


def _scales_by_cpu(spec: Mapping[str, Any]) -> bool:
    """Return True if an autoscaler compares CPU with the request: a low use then means that few replicas are needed."""
    scaling = spec.get("autoscaling")
    return scaling is not None and scaling.get("managedBy") != "External"


def _container_usage(metrics: Mapping[str, Any]) -> Mapping[str, Any] | None:
    containers = metrics.get("containers") or ()
    return next((one.get("usage") or {} for one in containers if one.get("name") == MODEL_CONTAINER), None)


def _model_containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in (pod.get("spec") or {}).get("containers") or () if one.get("name") == MODEL_CONTAINER]


def _quantities(amounts: Mapping[str, Any] | None) -> dict[str, Decimal]:
    found = ((name, parse_quantity(str(value))) for name, value in (amounts or {}).items() if name in RESOURCES)
    return {name: value for name, value in found if value is not None}


def _shown(resource: str, amounts: Mapping[str, Decimal]) -> str:
    return _FORMATS[resource](amounts[resource]) if resource in amounts else "-"


def _pairs(amounts: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in amounts.items())
