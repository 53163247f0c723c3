"""The census: what 66 public manifests of model servers contain, as small ModelServices with what they become.

Each case of the YAML files has a `trait`, the fields of a `spec`, and either `refused`, a part of the sentence that
rejects it, or what it is rendered to: `model` (the model container), `pod` (the pod spec), `template` (the metadata of
the pods) or the kind of a child. Expected maps name the keys that matter; null is a key that must not exist. Lists of
items with a name or a mountPath are compared by item, and `absent: true` is an item that must not exist; other lists
are compared as a whole. `note` explains the rendering, `differs` what is lost.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.errors import InvalidSpecError
from modelservice_operator.resources import DesiredChild, build_children
from tests.support.builders import ModelServiceBuilder, model_service

HERE = Path(__file__).parent
FILES = ("pods.yaml", "services.yaml", "more.yaml")
_KEYS = ("name", "mountPath")
_ABSENT = "absent"


@dataclass(frozen=True, kw_only=True)
class CensusCase:
    """One ModelService of the census, and what is expected of it."""

    trait: str
    spec: dict[str, Any]
    manifests: int = 0
    """Manifests with the trait, of 66; 0 if it is not in their ranking."""
    name: str = "census"
    refused: str = ""
    note: str = ""
    differs: str = ""
    expected: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, entry: dict[str, Any]) -> "CensusCase":
        """Return a case of a YAML file."""
        own = {name: value for name, value in entry.items() if name in cls.__dataclass_fields__}
        return cls(**own, expected={name: value for name, value in entry.items() if name not in own})

    def __str__(self) -> str:
        return self.trait

    @property
    def service(self) -> ModelServiceBuilder:
        """The ModelService; it has an image in any case."""
        return model_service().named(self.name).with_spec(**self.spec)

    @property
    def is_expressed(self) -> bool:
        """Return True if the trait is rendered, and nothing of it is lost."""
        return not self.refused and not self.differs and self.problems() == []

    def problems(self, service: ModelService | None = None) -> list[str]:
        """Return where the children differ from what is expected; `service` is the object as it is stored."""
        try:
            facts = _facts(build_children(service or self.service.parsed()))
        except InvalidSpecError as error:
            return [str(error)]
        return [text for name, wanted in self.expected.items() for text in differences(wanted, facts.get(name), name)]


@cache
def cases() -> tuple[CensusCase, ...]:
    """Return all cases, those with the most manifests of each file first."""
    return tuple(CensusCase.parse(entry) for name in FILES for entry in _read(name))


def lost() -> dict[str, list[str]]:
    """Return for each manifest what it still loses."""
    found = _read("manifests.yaml")
    by_trait = {case.trait: case for case in cases()}
    return {
        manifest: [blocker for blocker in blockers if not by_trait[found["blockers"][blocker]].is_expressed]
        for manifest, blockers in found["manifests"].items()
    }


def table() -> list[tuple[str, int, CensusCase]]:
    """Return each blocker, the number of manifests with it, and the case that says it."""
    found = _read("manifests.yaml")
    by_trait = {case.trait: case for case in cases()}
    counts = {name: sum(name in blockers for blockers in found["manifests"].values()) for name in found["blockers"]}
    return [(name, counts[name], by_trait[trait]) for name, trait in found["blockers"].items()]


def differences(wanted: Any, found: Any, path: str) -> Iterator[str]:
    """Yield where `found` differs from `wanted`."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            yield from differences(value, found.get(key), f"{path}.{key}")
    elif isinstance(wanted, list) and isinstance(found, list):
        yield from _list_differences(wanted, found, path)
    elif wanted != found:
        yield f"{path}: {found!r} instead of {wanted!r}"


def _list_differences(wanted: list[Any], found: list[Any], path: str) -> Iterator[str]:
    key = next((key for key in _KEYS if all(isinstance(item, dict) and key in item for item in wanted)), None)
    if key is not None:
        # A volume can be mounted twice.
        pairs = [(item, [other for other in found if other.get(key) == item[key]]) for item in wanted]
        for item, candidates in pairs:
            yield from _item_differences(item, candidates, f"{path}[{item[key]}]")
    elif len(wanted) != len(found):
        yield f"{path}: {found!r} instead of {wanted!r}"
    else:
        for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")


def _item_differences(item: dict[str, Any], candidates: list[Any], path: str) -> Iterator[str]:
    if item.get(_ABSENT):
        yield from (f"{path}: exists" for _ in candidates)
    elif not candidates:
        yield f"{path}: does not exist"
    else:
        yield from min((list(differences(item, one, path)) for one in candidates), key=len)


def _facts(children: tuple[DesiredChild, ...]) -> dict[str, Any]:
    bodies: dict[str, Any] = {child.kind.kind: child.create_body() for child in children}
    template = bodies["Deployment"]["spec"]["template"]
    [model] = [container for container in template["spec"]["containers"] if container["name"] == "model"]
    return bodies | {"template": template["metadata"], "pod": template["spec"], "model": model}


@cache
def _read(name: str) -> Any:
    return yaml.safe_load((HERE / name).read_text())
