"""docs/migrating.md: the ModelServices of its examples yield what the hand-written objects say."""

import re
from typing import Any

import pytest

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.resources import build_children
from tests.support.installation import ROOT
from tests.support.manifests import manifests_in
from tests.support.schema_fields import fields

GUIDE = ROOT / "docs/migrating.md"
NOT_COMPARED = {"selector", "targetPort", "scaleTargetRef", "metrics", "app", "httpGet.port", "containers.name"}
"""Fields whose values the operator chooses, or, after a dot, only those below another one."""


def examples() -> list[list[dict[str, Any]]]:
    """Return lists of hand-written objects, each followed by the ModelService that replaces them."""
    found: list[list[dict[str, Any]]] = [[]]
    for body in manifests_in(GUIDE):
        found[-1].append(body)
        if body["kind"] == MODEL_SERVICE.kind:
            found.append([])
    return found[:-1]


def missing(written: Any, built: Any, path: str = "") -> list[str]:
    """Return the paths of values that are written, but not built."""
    if isinstance(written, dict):
        above = path.rpartition(".")[2]
        names = [name for name in written if not {name, f"{above}.{name}"} & NOT_COMPARED]
        return [place for name in names for place in missing(written[name], (built or {}).get(name), f"{path}.{name}")]
    if isinstance(written, list):
        return [
            f"{path}: {item}" for item in written if all(missing(item, candidate, path) for candidate in built or ())
        ]
    return [] if str(written) == str(built) else [f"{path}: {written}"]


def unknown_fields(spec: Any, path: str = "") -> list[str]:
    """Return the paths that the schema does not have; the parser ignores these."""
    if isinstance(spec, list):
        return [place for item in spec for place in unknown_fields(item, f"{path}[]")]
    if not isinstance(spec, dict):
        return []
    known = {field.name for field in fields()}
    children = {f"{path}.{name}".lstrip("."): value for name, value in spec.items() if f"{path}{{}}" not in known}
    return [place for name, value in children.items() for place in unknown_fields(value, name)] + [
        name for name in children if name not in known
    ]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example[-1]["metadata"]["name"])
def test_model_service_replaces_the_manifests(example: list[dict[str, Any]]) -> None:
    *written, body = example
    assert unknown_fields(body["spec"]) == []
    service = ModelService.parse(body | {"metadata": body["metadata"] | {"namespace": "ml", "uid": "1"}})
    built = {child.kind.kind: child.create_body() for child in build_children(service)}
    assert len(written) >= 2
    assert [place for manifest in written for place in missing(manifest, built[manifest["kind"]])] == []


def test_fields_of_the_tables_exist() -> None:
    rows = [line for line in GUIDE.read_text().splitlines() if line.startswith("| ")]
    names = {name for row in rows for name in re.findall(r"`([a-zA-Z]+(?:[.][a-zA-Z]+)*)`", row.split(" | ")[-1])}
    paths = {field.name.replace("[]", "") for field in fields()}
    parts = {part for path in paths for part in path.split(".")}
    assert len(names) > 50
    assert {name for name in names if name not in paths | parts} - {"labelSelector"} == set()
