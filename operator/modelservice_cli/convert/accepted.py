"""Leaves out of a spec what the schema does not have, and values that it refuses.

The types of the API have the bounds and patterns of the schema. Its rules across fields are kept by the parts that
write these fields, and checked by `refusals`, which may be the judge of the command `render`.
"""

import inspect
import typing
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from modelservice_operator.api.crdgen import upstream
from modelservice_operator.api.markers import PATTERN_MESSAGE
from modelservice_operator.api.v1alpha1.spec import ModelServiceSpec
from modelservice_operator.apimachinery.objects import Json, Object

_UPSTREAM: dict[str, Any] = {
    "affinity": upstream.Affinity,
    "metrics": upstream.MetricSpec,
    "behavior": upstream.Behavior,
}
"""Fields that the types of the API copy unchanged, and the types that describe them in the schema."""
_MAX_REFUSALS = 200
Path = tuple[str | int, ...]
Refusals = Callable[[Object], Sequence[tuple[Path, str]]]
"""Returns the fields of a spec that the API server refuses, and why."""


def without_refused(spec: Object, refusals: Refusals | None = None) -> tuple[Object, list[tuple[str, str]]]:
    """Return a spec that the schema accepts, and the paths that were left out with the reasons.

    Raises ValueError if what is left is not accepted: image, for instance, is required.
    """
    spec = prune(ModelServiceSpec, spec)
    removed: list[tuple[str, str]] = []
    for _ in range(_MAX_REFUSALS):
        found = next(_refused(spec, refusals), None)
        if found is None:
            return spec, removed
        path, why = found
        if not _remove(spec, path):
            # A field that is required was refused before.
            place, reason = removed[-1] if removed else ("spec", why)
            raise ValueError(f"{place}: {reason}")
        if why:
            removed.append((dotted(path), why))
    raise ValueError("too many values of the input are refused")


def prune(model: type[BaseModel], node: Json) -> Json:
    """Return `node` without fields that the type does not have, and without parts that are empty because of it."""
    if not isinstance(node, dict):
        return node
    found: Object = {}
    for name, info in model.model_fields.items():
        alias = info.alias or name
        if alias not in node or node[alias] is None:
            continue
        value = node[alias]
        below = _UPSTREAM.get(alias) or _model_in(info.annotation)
        if below is None:
            found[alias] = value
        elif isinstance(value, list):
            items = [prune(below, item) for item in value]
            found[alias] = [item for item, old in zip(items, value, strict=True) if item != {} or old == {}]
        else:
            pruned = prune(below, value)
            # A part that was not empty, and is now, would mean another thing, such as an action without a kind.
            if pruned != {} or value == {}:
                found[alias] = pruned
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the type of the API in an annotation such as `list[Toleration] | None`."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) is dict:
        return None
    for part in typing.get_args(annotation):
        if (found := _model_in(part)) is not None:
            return found
    return None


def _refused(spec: Object, refusals: Refusals | None) -> Iterator[tuple[Path, str]]:
    yield from _errors(ModelServiceSpec, spec, ())
    if "affinity" in spec:
        yield from _errors(upstream.Affinity, spec["affinity"], ("affinity",))
    autoscaling = spec.get("autoscaling") or {}
    for index, metric in enumerate(autoscaling.get("metrics") or ()):
        yield from _errors(upstream.MetricSpec, metric, ("autoscaling", "metrics", index))
    if "behavior" in autoscaling:
        yield from _errors(upstream.Behavior, autoscaling["behavior"], ("autoscaling", "behavior"))
    yield from _reserved_keys(spec)
    if refusals is not None:
        yield from refusals(spec)


def _errors(model: type[BaseModel], node: Json, above: Path) -> Iterator[tuple[Path, str]]:
    try:
        TypeAdapter(model).validate_python(node)
    except ValidationError as error:
        for fault in error.errors():
            path = (*above, *_existing(node, fault["loc"]))
            if fault["type"] == "missing":
                yield path, "a part of it that is required cannot be said"
            else:
                pattern = (fault.get("ctx") or {}).get("pattern")
                yield path, _sentence(_pattern_messages().get(str(pattern)) or fault["msg"])


@cache
def _pattern_messages() -> dict[str, str]:
    """Return the messages of the schema for its patterns."""
    found: dict[str, str] = {}
    nodes: list[Any] = [ModelServiceSpec.model_json_schema()]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            if "pattern" in node and PATTERN_MESSAGE in node:
                found[node["pattern"]] = node[PATTERN_MESSAGE]
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node
    return found


def _existing(node: Json, location: Sequence[int | str]) -> Path:
    """Return the steps of a location that exist in the value: pydantic adds those of unions."""
    found: list[str | int] = []
    for step in location:
        is_item = isinstance(node, list) and isinstance(step, int) and step < len(node)
        if is_item or (isinstance(node, dict) and step in node):
            node = node[step]
            found.append(step)
    return tuple(found)


def _sentence(message: str) -> str:
    if message.startswith("must "):
        return f"the schema refuses the value, which {message}"
    return f"the schema refuses the value: {message[:1].lower()}{message[1:]}"


_RESERVED = ("kubernetes.io", "k8s.io", "modelservice.dev", "argoproj.io", "fluxcd.io")


def _reserved_keys(spec: Object) -> Iterator[tuple[Path, str]]:
    """Yield labels and annotations of reserved domains, which only rules of the schema refuse."""
    from modelservice_operator.api.primitives import HARMLESS_ANNOTATIONS, HARMLESS_LABELS

    places: list[tuple[Path, Sequence[str]]] = [
        (("podLabels",), HARMLESS_LABELS),
        (("podAnnotations",), HARMLESS_ANNOTATIONS),
        (("service", "labels"), HARMLESS_LABELS),
        (("expose", "ingress", "labels"), HARMLESS_LABELS),
        (("monitoring", "podMonitor", "labels"), HARMLESS_LABELS),
    ]
    for path, harmless in places:
        for key in _value_at(spec, path) or {}:
            domain = str(key).partition("/")[0] if "/" in str(key) else ""
            is_reserved = any(domain == one or domain.endswith(f".{one}") for one in _RESERVED)
            if is_reserved and key not in harmless:
                yield (*path, key), f"keys of the domain {domain} are reserved for controllers"


def _value_at(node: Json, path: Path) -> Json:
    for step in path:
        if not isinstance(node, dict) or step not in node:
            return None
        node = node[step]
    return node


def _remove(spec: Object, path: Path) -> bool:
    """Remove the value at a path, and what is empty without it; return False if there is nothing to remove."""
    if not path:
        return False
    holders: list[Json] = [spec]
    for step in path[:-1]:
        holders.append(holders[-1][step])
    for holder, step in zip(reversed(holders), reversed(path), strict=True):
        del holder[step]
        if holder not in ({}, []):
            break
    return True


def dotted(path: Path) -> str:
    """Return a path as text."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
