"""Properties of every field of the CRD."""

from typing import Any

import pytest
from kubernetes.client import V1Affinity, V2HorizontalPodAutoscalerBehavior, V2MetricSpec
from pydantic import BaseModel, TypeAdapter

from modelservice_operator.api.crdgen import upstream
from modelservice_operator.api.crdgen.crd import NAME_RULE, custom_resource_definition, root_schema
from modelservice_operator.api.crdgen.structural import RULES, as_text
from modelservice_operator.api.v1alpha1.spec import ModelServiceSpec
from modelservice_operator.api.v1alpha1.status import ModelServiceStatus
from modelservice_operator.resources import build_children
from tests.support.schema_fields import fields, with_field

EVERYWHERE = [(part, field) for part in ("spec", "status") for field in fields(part)]


def published() -> Any:
    """The schema as the CRD has it."""
    [version] = custom_resource_definition()["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]["properties"]


def at(node: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        node = node["properties"][step] if step in node.get("properties", {}) else node[BELOW[step]]
    return node


BELOW = {"[]": "items", "{}": "additionalProperties"}


def test_every_field_has_a_description_and_an_example() -> None:
    schema = published()
    for part, field in EVERYWHERE:
        if field.is_property:
            text = at(schema[part], field.path)["description"]
            assert text.endswith(f"Example: {as_text(field.example)}"), field.name
            assert text[0].isupper(), field.name
            assert set(text.removesuffix(as_text(field.example))) & set(".?"), field.name


def has_a_bound(schema: dict[str, Any]) -> bool:
    match schema:
        case {"enum": _} | {"type": "boolean"} | {"x-kubernetes-int-or-string": True, "maxLength": _}:
            return True
        case {"type": "string", "maxLength": _} | {"type": "array", "maxItems": _, "x-kubernetes-list-type": _}:
            return True
        case {"type": "integer", "minimum": _, "maximum": _, "format": "int32" | "int64"}:
            return True
        case {"type": "object", "properties": _} | {"type": "object", "maxProperties": _}:
            return True
    return False


def test_every_field_has_a_bound() -> None:
    assert [field.name for _, field in EVERYWHERE if not has_a_bound(field.schema)] == []


def test_no_field_preserves_unknown_fields() -> None:
    assert "x-kubernetes-preserve-unknown-fields" not in str(custom_resource_definition())


def test_every_spec_example_is_valid() -> None:
    for field in fields():
        if field.is_property:
            service = with_field(field.path, field.example)
            ModelServiceSpec.model_validate(service.spec, extra="forbid")
            assert build_children(service.parsed()), field.name


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("affinity", upstream.Affinity),
        ("autoscaling.metrics", list[upstream.MetricSpec]),
        ("autoscaling.behavior", upstream.Behavior),
    ],
)
def test_every_upstream_example_is_valid(name: str, model: Any) -> None:
    for field in fields():
        if field.is_property and field.name.startswith(name):
            value: Any = with_field(field.path, field.example).spec
            for step in name.split("."):
                value = value[step]
            TypeAdapter(model).validate_python(value, extra="forbid")


def test_every_status_example_is_valid() -> None:
    for field in fields("status"):
        if field.is_property:
            model, name = owner(ModelServiceStatus, field.path)
            TypeAdapter(model.model_fields[name].rebuild_annotation()).validate_python(field.example, extra="forbid")


def owner(model: type[BaseModel], path: tuple[str, ...]) -> tuple[type[BaseModel], str]:
    """The model that has the field at `path`, and its name there."""
    step, *rest = (step for step in path if step != "[]")
    name = next(name for name, info in model.model_fields.items() if step in {name, info.alias})
    if not rest:
        return model, name
    [below] = models_of(model.model_fields[name].annotation)
    return owner(below, tuple(rest))


def models_of(annotation: Any) -> list[type[BaseModel]]:
    """The models inside of `list[Model] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in models_of(part)]


def test_list_items_have_no_defaults() -> None:
    assert [field.name for field in fields() if "[]" in field.name and "default" in field.schema] == []


def test_every_rule_has_a_message() -> None:
    for part in ("spec", "status"):
        for field in fields(part):
            for rule in field.schema.get(RULES, ()):
                assert len(rule["message"].split()) > 3, field.name
                assert not rule["message"].endswith("."), "the API server puts sentences into a list"


def test_only_int_or_strings_have_a_pattern() -> None:
    """A CEL rule has a message, but costs too much for an int-or-string in a list before Kubernetes 1.34."""
    patterned = [field for field in fields() if "pattern" in field.schema]
    assert [field.name for field in patterned if "x-kubernetes-int-or-string" not in field.schema] == []


def test_root_has_only_the_rule_of_the_name() -> None:
    assert root_schema()[RULES] == [NAME_RULE]


LEFT_OUT = {"namespaces", "namespaceSelector"}
"""Fields that name other namespaces."""


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (upstream.Affinity, V1Affinity),
        (upstream.MetricSpec, V2MetricSpec),
        (upstream.Behavior, V2HorizontalPodAutoscalerBehavior),
    ],
)
def test_upstream_types_have_all_fields_of_kubernetes(ours: type[BaseModel], theirs: Any) -> None:
    assert names_below(ours.model_json_schema()) == names_below(theirs.model_json_schema())


def names_below(schema: Any) -> set[str]:
    """The names of all fields."""
    return {name for node in (schema, *schema["$defs"].values()) for name in node["properties"] if name not in LEFT_OUT}
