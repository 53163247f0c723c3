"""Small inputs with the traits of 66 public manifests, one trait or those of a manifest at a time.

tests/support/census/manifests.yaml lists what stood in the way of each manifest; the traits that say these come first,
and two others follow, so that the manifests together have every trait of the census. No text of a manifest was copied.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
_CENSUS = HERE.parent / "census/manifests.yaml"
NAME = "petals"
Object = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Trait:
    """A change of the smallest input, and what is expected of its ModelService."""

    entry: Object

    def __str__(self) -> str:
        return str(self.entry["trait"])

    @property
    def wants(self) -> Object:
        """Fields that the spec has because of the trait."""
        wants: Object = _named(self.entry.get("wants") or {})
        return wants

    @property
    def says(self) -> str:
        """Text that the notes contain; empty if nothing of the trait is lost."""
        return str(self.entry.get("says", "")).replace("NAME", NAME)

    def apply(self, objects: list[Object]) -> None:
        """Change an input. An object is added once."""
        deployment, service = objects[0], objects[1]
        pod = deployment["spec"]["template"]["spec"]
        change = _named(self.entry)
        _merge(pod, change.get("pod"))
        _merge(pod["containers"][0], change.get("container"))
        _merge(deployment["spec"], change.get("deployment"))
        _merge(deployment["spec"]["template"]["metadata"], change.get("template"))
        _merge(service, change.get("service"))
        _merge(service["spec"]["ports"][0], change.get("port"))
        kinds = {body["kind"] for body in objects}
        # Backends and monitors name the Service.
        more = [body for body in change.get("objects") or () if body["kind"] not in kinds]
        objects.extend(_renamed(body, service["metadata"]["name"]) for body in more)


def _named(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _named(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_named(item) for item in node]
    return node.replace("NAME", NAME) if isinstance(node, str) else node


def _renamed(node: Any, service: str) -> Any:
    if isinstance(node, dict):
        is_backend = isinstance(node.get("port"), dict | int) and node.get("name") == NAME
        changed = {key: _renamed(value, service) for key, value in node.items()}
        return changed | ({"name": service} if is_backend else {})
    return [_renamed(item, service) for item in node] if isinstance(node, list) else node


def _merge(target: Object, change: Any) -> None:
    """Merge a change into an object: lists of named items by their names or position, other values as a whole."""
    for key, value in (change or {}).items():
        old = target.get(key)
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(old, dict):
            _merge(old, value)
        elif isinstance(value, list) and isinstance(old, list) and key in {"env", "volumes", "volumeMounts"}:
            names = {item["name"] for item in value} | {item.get("mountPath") for item in value}
            target[key] = [
                item for item in old if item["name"] not in names and item.get("mountPath", "") not in names
            ] + copy.deepcopy(value)
        elif key == "containers" and isinstance(old, list):
            target[key] = [old[0], *copy.deepcopy(value[1:])]
        elif key == "ports" and isinstance(old, list) and len(value) < len(old):
            continue  # another trait has more of them
        else:
            target[key] = copy.deepcopy(value)


def smallest_input() -> list[Object]:
    """Return a Deployment with one container and its Service."""
    labels = {"app": NAME}
    container = {"name": "server", "image": "registry.example.com/petals:1.0", "ports": [{"containerPort": 8000}]}
    template = {"metadata": {"labels": dict(labels)}, "spec": {"containers": [container]}}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": NAME},
            "spec": {"selector": {"matchLabels": dict(labels)}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME},
            "spec": {"selector": dict(labels), "ports": [{"port": 80, "targetPort": 8000}]},
        },
    ]


@cache
def traits() -> tuple[Trait, ...]:
    """Return all traits."""
    return tuple(Trait(entry) for entry in yaml.safe_load((HERE / "traits.yaml").read_text(encoding="utf-8")))


def input_with(*chosen: Trait) -> list[Object]:
    """Return the smallest input with these traits."""
    objects = smallest_input()
    for trait in chosen:
        trait.apply(objects)
    return objects


def public_manifests() -> Iterator[tuple[str, list[Object]]]:
    """Yield the number of each manifest of the census, and a small input with its traits."""
    census = yaml.safe_load(_CENSUS.read_text(encoding="utf-8"))
    by_name = {str(trait): trait for trait in traits()}
    everyday = list(traits())
    for index, (number, blockers) in enumerate(census["manifests"].items()):
        own = [by_name[census["blockers"][blocker]] for blocker in blockers]
        more = [everyday[(2 * index + step) % len(everyday)] for step in (0, 1)]
        yield number, input_with(*dict.fromkeys([*more, *own]))
