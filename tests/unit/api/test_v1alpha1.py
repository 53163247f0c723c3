from pathlib import Path
from typing import Any

import pytest
import yaml

from modelservice_operator.api.crd import custom_resource_definition
from modelservice_operator.api.kinds import DEPLOYMENT, SERVICE
from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.errors import InvalidSpec
from tests.support.objects import a_model_service


def schema() -> Any:
    [version] = custom_resource_definition()["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def nodes(node: Any, path: str = "") -> Any:
    """Each node of the schema below spec, with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key], f"{path}[]")


SPEC_NODES = dict(nodes(schema()["properties"]["spec"], "spec"))


def test_the_committed_crd_is_the_generated_one() -> None:
    committed = Path("crds/modelservices.modelservice.dev.yaml").read_text()
    assert yaml.safe_load(committed) == custom_resource_definition()


@pytest.mark.parametrize("path", [path for path in SPEC_NODES if not path.endswith("[]")])
def test_every_field_says_what_it_is(path: str) -> None:
    assert (
        SPEC_NODES[path].get("description", "").endswith((".", "?", "never."))
        or "Example:" in SPEC_NODES[path]["description"]
    )


@pytest.mark.parametrize("path", SPEC_NODES)
def test_every_field_has_a_bound(path: str) -> None:
    node = SPEC_NODES[path]
    match node.get("type"):
        case "string":
            assert "enum" in node or "maxLength" in node
        case "array":
            assert "maxItems" in node
        case "integer":
            assert {"minimum", "maximum", "format"} <= node.keys()
        case "object":
            assert "properties" in node or "maxProperties" in node or node["x-kubernetes-preserve-unknown-fields"]
        case kind:
            assert kind == "boolean" or node["x-kubernetes-int-or-string"]


def test_list_items_have_no_defaults_since_client_side_diffs_would_show_them() -> None:
    assert [path for path, node in SPEC_NODES.items() if "[]" in path and "default" in node] == []


def test_everything_that_is_wrong_is_named() -> None:
    body = a_model_service().having(replicas="many", env=[{"value": "x"}]).without("image").body()
    with pytest.raises(InvalidSpec) as caught:
        ModelService.parse(body)
    assert all(field in str(caught.value) for field in ("spec.image", "spec.replicas", "spec.env.0.name"))


def test_what_a_newer_version_added_is_passed_over() -> None:
    assert a_model_service().having(somethingNewer=True).parsed().spec.image


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ({"uri": "file:///app/model.bin"}, "/app/model.bin"),
        ({"path": "/opt/model"}, "/opt/model"),
        ({}, "/mnt/models"),
    ],
)
def test_where_the_model_is_found(model: dict[str, Any], path: str) -> None:
    source = a_model_service().having(model=model).parsed().spec.model
    assert source is not None
    assert source.mount_path == path


def test_a_name_cannot_leave_its_segment_of_a_path() -> None:
    assert DEPLOYMENT.path(namespace="a/b", name="../c") == "/apis/apps/v1/namespaces/a%2Fb/deployments/..%2Fc"
    assert SERVICE.path() == "/api/v1/services"
