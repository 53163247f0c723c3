"""Brings objects into the form of the current API: former versions, and values of a wrong type whose meaning is plain.

Former versions: apps/v1beta1, apps/v1beta2 and extensions/v1beta1 (removed in Kubernetes 1.16),
networking.k8s.io/v1beta1 (1.22), policy/v1beta1 (1.25), autoscaling/v2beta1 (1.25) and v2beta2 (1.26); autoscaling/v1
is still served.
"""

import copy
import json
import shlex
from collections.abc import Callable, Iterator
from typing import Any

from modelservice_cli.convert.notes import Change, Notes, subject_of
from modelservice_cli.convert.structure import checked_structure, with_metadata
from modelservice_cli.convert.text_repair import has_placeholder, plain_placeholder
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.objects import Json, Object

CURRENT_VERSIONS = {
    "Deployment": "apps/v1",
    "Service": "v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Ingress": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
}
"""Versions of the kinds that become part of a ModelService."""

_READ_KINDS = frozenset({"PodMonitor", "ServiceMonitor", "ServiceAccount", "ScaledObject", "VerticalPodAutoscaler"})
"""Other kinds of which fields are read."""
_INTEGERS = frozenset(
    {
        *(
            "replicas",
            "containerPort",
            "port",
            "nodePort",
            "hostPort",
            "minReplicas",
            "maxReplicas",
            "averageUtilization",
        ),
        *("targetCPUUtilizationPercentage", "targetAverageUtilization", "initialDelaySeconds", "periodSeconds"),
        *("timeoutSeconds", "failureThreshold", "successThreshold", "terminationGracePeriodSeconds", "minReadySeconds"),
        *("progressDeadlineSeconds", "revisionHistoryLimit", "runAsUser", "runAsGroup", "fsGroup", "seconds"),
        *("stabilizationWindowSeconds", "tolerationSeconds", "maxSkew", "weight", "defaultMode"),
    }
)
_TEXT_MAPS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector"})
_COMMANDS = frozenset({"command", "args"})
_METRIC_KINDS = ("resource", "pods", "object", "external", "containerResource")


def with_current_version(body: Object, notes: Notes) -> Object:
    """Return a copy of an object in the form of the current API, and add a note for each repair.

    Raises CliError if a field has another form than the API has.
    """
    if not isinstance(body.get("kind"), str):
        raise CliError("The input has something that is not an object with a kind.", ExitCode.NEGATIVE)
    kind, version = body["kind"], body.get("apiVersion")
    wanted = CURRENT_VERSIONS.get(kind)
    if wanted is None:
        return {"metadata": {}} | checked_structure(body) if kind in _READ_KINDS else with_metadata(body)
    body = copy.deepcopy(body)
    _repair_types(body, body, (), notes)
    body = checked_structure(body)
    body.setdefault("metadata", {})
    convert = _CONVERTERS.get(kind)
    if convert is not None:
        convert(body, str(version), notes)
    if version != wanted:
        text = f"{version} is written as {wanted}, the version that current API servers have."
        if version is None:
            text = f"apiVersion is missing: {wanted} is meant."
        if version != "autoscaling/v1":  # which is still served, and means the same
            notes.add(Change.REPAIRED, subject_of(body), text, "apiVersion")
        body["apiVersion"] = wanted
    return body


def _convert_deployment(body: Object, _version: str, notes: Notes) -> None:
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return
    subject = subject_of(body)
    if "rollbackTo" in spec:
        del spec["rollbackTo"]
        notes.add(Change.OMITTED, subject, "the field was removed with extensions/v1beta1.", "spec.rollbackTo")
    template = spec.get("template")
    labels = _labels_of(template)
    selector = spec.get("selector")
    matched = selector.get("matchLabels") if isinstance(selector, dict) else None
    if not isinstance(selector, dict):
        spec["selector"] = {"matchLabels": dict(labels)}
        notes.add(
            Change.REPAIRED, subject, "the selector is missing: the labels of the pods are meant.", "spec.selector"
        )
    elif isinstance(matched, dict) and any(labels.get(key) != value for key, value in matched.items()):
        text = (
            f"the selector {_shown(matched)} does not match the labels of the pods {_shown(labels)}, which the API"
            " server"
            " rejects: the labels of the pods are meant."
        )
        notes.add(Change.REPAIRED, subject, text, "spec.selector")
        spec["selector"] = {"matchLabels": dict(labels)}


def _labels_of(template: Json) -> dict[str, str]:
    metadata = template.get("metadata") if isinstance(template, dict) else None
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return labels if isinstance(labels, dict) else {}


def _convert_autoscaler(body: Object, version: str, notes: Notes) -> None:
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return
    _repair_lonely_source(body, spec, notes)
    metrics = [_convert_metric(metric) for metric in spec.get("metrics") or ()]
    percentage = spec.pop("targetCPUUtilizationPercentage", None)
    if percentage is not None:
        target = {"type": "Utilization", "averageUtilization": percentage}
        metrics.insert(0, {"type": "Resource", "resource": {"name": "cpu", "target": target}})
        if version != "autoscaling/v1":
            text = (
                f"targetCPUUtilizationPercentage is a field of autoscaling/v1, not of {version}: a CPU metric is meant."
            )
            notes.add(Change.REPAIRED, subject_of(body), text, "spec.targetCPUUtilizationPercentage")
    annotations = (body.get("metadata") or {}).get("annotations") or {}
    for key, field in (("metrics", "metrics"), ("behavior", "behavior")):
        text = annotations.pop(f"autoscaling.alpha.kubernetes.io/{key}", None)
        value = _decoded(text)
        if field == "metrics" and isinstance(value, list):
            metrics += [_convert_metric(_camel_case(metric)) for metric in value]
        elif field == "behavior" and isinstance(value, dict):
            spec["behavior"] = _camel_case(value)
    if metrics:
        spec["metrics"] = metrics


def _repair_lonely_source(body: Object, spec: Object, notes: Notes) -> None:
    """Move `resource` into the metric next to it that has a type but no source: the usual slip of the indentation."""
    for metric in spec.get("metrics") or ():
        if not isinstance(metric, dict) or any(kind in metric for kind in _METRIC_KINDS):
            continue
        name = str(metric.get("type", ""))[:1].lower() + str(metric.get("type", ""))[1:]
        if name in _METRIC_KINDS and isinstance(spec.get(name), dict):
            metric[name] = spec.pop(name)
            text = f"{name} is next to metrics, and belongs to the metric of type {metric['type']}."
            notes.add(Change.REPAIRED, subject_of(body), text, f"spec.{name}")


def _convert_metric(metric: Json) -> Json:
    """Return a metric of v2beta1 in the form of v2; others are unchanged."""
    if not isinstance(metric, dict):
        return metric
    source_name = str(metric.get("type", ""))[:1].lower() + str(metric.get("type", ""))[1:]
    source = metric.get(source_name)
    if not isinstance(source, dict) or (
        "target" in source and isinstance(source["target"], dict) and ("type" in source["target"])
    ):
        return metric
    source = dict(source)
    found: Object = {}
    for old, kind, new in (
        ("targetAverageUtilization", "Utilization", "averageUtilization"),
        ("targetAverageValue", "AverageValue", "averageValue"),
        ("targetValue", "Value", "value"),
        ("averageValue", "AverageValue", "averageValue"),
    ):
        if old in source:
            found = {"type": kind, new: source.pop(old)}
    if source_name == "object" and isinstance(source.get("target"), dict):
        source["describedObject"] = source.pop("target")
    if "metricName" in source:
        selector = source.pop("selector", None) or source.pop("metricSelector", None)
        source["metric"] = {"name": source.pop("metricName")} | ({"selector": selector} if selector else {})
    return {"type": metric["type"], source_name: source | ({"target": found} if found else {})}


def _decoded(text: Json) -> Json:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _camel_case(node: Json) -> Json:
    """Return a value of an annotation with a lower-case first letter of each field: its Go type had no JSON names."""
    if isinstance(node, list):
        return [_camel_case(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key[:1].lower() + key[1:]: _camel_case(value) for key, value in node.items()}


def _convert_ingress(body: Object, _version: str, notes: Notes) -> None:
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return
    if "backend" in spec:
        spec["defaultBackend"] = _convert_backend(spec.pop("backend"))
    for rule in spec.get("rules") or ():
        for path in ((rule or {}).get("http") or {}).get("paths") or ():
            if not isinstance(path, dict):
                continue
            if isinstance(path.get("backend"), dict):
                path["backend"] = _convert_backend(path["backend"])
            if path.get("pathType") is None:
                path["pathType"] = "ImplementationSpecific"
                text = "pathType is missing: ImplementationSpecific is meant, the default of the former versions."
                notes.add(Change.REPAIRED, subject_of(body), text, "spec.rules")


def _convert_backend(backend: Json) -> Json:
    if not isinstance(backend, dict) or "serviceName" not in backend:
        return backend
    port = backend.get("servicePort")
    reference = {"name": port} if isinstance(port, str) and not port.isdecimal() else {"number": int(port or 0)}
    return {"service": {"name": backend["serviceName"], "port": reference}}


_CONVERTERS: dict[str, Callable[[Object, str, Notes], None]] = {
    "Deployment": _convert_deployment,
    "HorizontalPodAutoscaler": _convert_autoscaler,
    "Ingress": _convert_ingress,
}


def _repair_types(body: Object, node: Json, path: tuple[str, ...], notes: Notes) -> None:
    """Repair in place the values that the API server rejects because of their type."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            _repair_types(body, item, (*path, f"[{_item_name(item, index)}]"), notes)
        return
    if not isinstance(node, dict):
        return
    for key, value in list(node.items()):
        for repaired, text in _repairs(str(key), value, path):
            node[key] = repaired
            notes.add(Change.REPAIRED, subject_of(body), text, _joined((*path, str(key))))
        _repair_types(body, node[key], (*path, str(key)), notes)


def _repairs(key: str, value: Json, path: tuple[str, ...]) -> Iterator[tuple[Json, str]]:
    """Yield the value that is meant, and why, if a value has the wrong type."""
    holder, is_variable = (path or ("",))[-1], path[-2:-1] == ("env",)
    if isinstance(value, str) and "{{" in value and has_placeholder(value):
        plain = plain_placeholder(value)
        yield plain, f"the placeholder {value} is written as {plain}, to be replaced."
        return
    if key in _INTEGERS and isinstance(value, str) and value.strip().isdecimal():
        yield int(value), f"the text {value!r} must be a number."
    elif key in _INTEGERS and isinstance(value, float) and value.is_integer():
        yield int(value), f"{value} must be a whole number."
    elif holder in _TEXT_MAPS and isinstance(value, bool | int | float):
        yield _text(value), f"{_text(value)} must be a text: write it in quotes."
    elif key == "value" and is_variable and isinstance(value, bool | int | float):
        yield _text(value), f"the value {_text(value)} of a variable must be a text: write it in quotes."
    elif key in _COMMANDS and isinstance(value, str):
        yield _split(value), "a command is a list of its words, not one text."
    elif key in _COMMANDS and isinstance(value, list) and any(not isinstance(word, str) for word in value):
        words = [word if isinstance(word, str) else _text(word) for word in value]
        yield words, "each word of a command must be a text: write numbers in quotes."


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return [text]


def _text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _item_name(item: Json, index: int) -> str:
    name = item.get("name") if isinstance(item, dict) else None
    return str(name) if name else str(index)


def _joined(path: tuple[str, ...]) -> str:
    return "".join(step if step.startswith("[") else f".{step}" for step in path).lstrip(".")


def _shown(labels: dict[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items()) or "(none)"
