"""Any text and any number in any field, past every check of the API server: a sentence or an object, never a crash."""

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from modelservice_operator.errors import InvalidSpecError
from modelservice_operator.resources import build_children
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.schema_fields import fields, with_field
from tests.support.variable_expansion import expand_variables

LEAVES = [field for field in fields() if "properties" not in field.schema]
ANYTHING = st.one_of(
    st.text(max_size=40),
    st.integers(-(2**63), 2**63 - 1),  # what JSON of the API server holds
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)


@settings(max_examples=1000)
@given(st.sampled_from(LEAVES), ANYTHING)
def test_no_value_of_any_field_crashes(field: Any, value: object) -> None:
    assert verdict(with_field(field.path, value)).startswith(("built", "The object does not match the schema: spec."))


def verdict(service: ModelServiceBuilder) -> str:
    try:
        return f"built {len(build_children(service.parsed()))} objects"
    except InvalidSpecError as error:
        return str(error)


@given(st.text())
def test_value_reaches_the_container_unchanged(text: str) -> None:
    service = model_service().with_spec(env=[{"name": "A", "value": text}], model={"name": text or "iris"}).parsed()
    [container] = build_children(service)[0].body["spec"]["template"]["spec"]["containers"]
    known = {entry["name"]: "expanded" for entry in container["env"]}
    values = {entry["name"]: entry.get("value", "") for entry in container["env"]}
    assert values["A"] == text
    assert expand_variables(values["MODEL_NAME"], known) == (text or "iris")


@given(st.text(alphabet="$(){}A \n'\"`\\", min_size=1, max_size=12))
def test_variable_reference_in_a_model_name_is_literal(text: str) -> None:
    service = model_service().with_spec(model={"name": text}).parsed()
    [container] = build_children(service)[0].body["spec"]["template"]["spec"]["containers"]
    values = {entry["name"]: entry["value"] for entry in container["env"]}
    assert expand_variables(values["MODEL_NAME"], {"A": "expanded", "PORT": "expanded"}) == text


def test_command_and_args_are_expanded_by_kubernetes() -> None:
    service = model_service().with_spec(command=["$(PORT)"], args=["$$(PORT)", "{{ x }}"]).parsed()
    [container] = build_children(service)[0].body["spec"]["template"]["spec"]["containers"]
    assert (container["command"], container["args"]) == (["$(PORT)"], ["$$(PORT)", "{{ x }}"])
    assert yaml.safe_load(yaml.safe_dump(container["args"])) == container["args"]
