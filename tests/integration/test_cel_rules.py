"""Every rule and bound of the schema, from both sides, on the real API server. No operator needed.

The cases are made from the schema itself: a field or rule that is added is tried here, or fails for want of a case.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelservice_operator.api.crdgen.crd import root_schema
from modelservice_operator.api.crdgen.structural import RULES
from tests.environment.cluster import Cluster
from tests.support.builders import ModelServiceBuilder
from tests.support.children import rejections_of_children
from tests.support.dry_run import DryRunClient, DryRunResponse, open_dry_run_client
from tests.support.rule_cases import RULE_CASES
from tests.support.schema_fields import SchemaField, fields, with_field

SPEC = SchemaField((), root_schema()["properties"]["spec"])
RULED = [(field, rule) for field in (SPEC, *fields()) for rule in field.schema.get(RULES, ())]
Cases = list[tuple[SchemaField, Any]]


@pytest.fixture(scope="module")
def server(control_plane: Cluster, operator_kubeconfig: Path) -> Iterator[DryRunClient]:
    assert operator_kubeconfig.exists()  # the CRD is installed
    with open_dry_run_client(control_plane.kubeconfig) as server:
        yield server


@pytest.fixture(scope="module")
def ask(server: DryRunClient, namespace: str) -> Callable[[SchemaField, Any], DryRunResponse]:
    """Ask for the verdict on an object whose field has a value."""

    def asking(field: SchemaField, value: Any) -> DryRunResponse:
        service = with_field(field.path, value) if field.path else ModelServiceBuilder(spec=value)
        return server.create_model_service(service.named("iris", namespace=namespace))

    return asking


Ask = Callable[[SchemaField, Any], DryRunResponse]


def test_every_rule_has_valid_and_invalid_cases() -> None:
    assert {rule["message"] for _, rule in RULED} == set(RULE_CASES)
    assert all(sides.rejected and sides.accepted for sides in RULE_CASES.values())


def test_every_example_is_accepted(ask: Ask) -> None:
    refused = {field.name: objections(ask(field, field.example)) for field in fields() if field.is_property}
    assert {name: said for name, said in refused.items() if said} == {}


def test_every_rule_rejects_with_its_message(ask: Ask, figure: Callable[[str], None]) -> None:
    cases = [(field, rule, value) for field, rule in RULED for value in RULE_CASES[rule["message"]].rejected]
    silent = []
    for field, rule, value in cases:
        told = dict.fromkeys(ask(field, value).causes)
        if (placed(field, value) + rule.get("fieldPath", ""), rule["message"]) not in sentences(told):
            silent.append((field.name, rule["message"], value, list(told)))
    assert silent == []
    figure(f"schema: {len(RULED)} rules with {len(RULE_CASES)} sentences refused {len(cases)} objects")


def test_every_rule_accepts_its_valid_values(ask: Ask, server: DryRunClient, figure: Callable[[str], None]) -> None:
    """What is accepted at the edge of a rule must make children that Kubernetes accepts."""
    cases = [(field, value) for field, rule in RULED for value in RULE_CASES[rule["message"]].accepted]
    refused = []
    for field, value in cases:
        answer = ask(field, value)
        told = objections(answer) or rejections_of_children(server, answer)
        refused += [(field.name, value, told)] if told else []
    assert refused == []
    figure(f"schema: {len(cases)} objects just inside of the rules accepted, with all of their children")


def at_the_bounds() -> Iterator[tuple[SchemaField, Any]]:
    """The last value inside of each bound of each field."""
    for field in fields():
        schema = field.schema
        yield from ((field, value) for value in schema.get("enum", ()))
        yield from ((field, schema[key]) for key in ("minimum", "maximum") if key in schema)
        if "maxItems" in schema and "minItems" not in schema:
            yield field, []


def beyond_the_bounds() -> Iterator[tuple[SchemaField, Any, str]]:
    """The first value outside of each bound of each field, and what is said of it."""
    for field in fields():
        schema, example = field.schema, field.schema.get("examples", [None])[0]
        if "enum" in schema:
            yield field, "Anything", "Unsupported value"
        if "minimum" in schema:
            yield field, schema["minimum"] - 1, "should be greater than or equal to"
            yield field, schema["maximum"] + 1, "should be less than or equal to"
        if schema.get("type") == "string" and "maxLength" in schema:
            yield field, "a" * (schema["maxLength"] + 1), f"may not be more than {schema['maxLength']} "
        if schema.get("minLength") and "x-kubernetes-int-or-string" not in schema:
            yield field, "", "should be at least 1 chars long"
        if "maxItems" in schema:
            yield field, [example[0]] * (schema["maxItems"] + 1), f"must have at most {schema['maxItems']} item"
        if schema.get("minItems"):
            yield field, [], "should have at least 1 items"
        if "maxProperties" in schema:
            many = {f"a{number}": next(iter(example.values())) for number in range(schema["maxProperties"] + 1)}
            yield field, many, f"must have at most {schema['maxProperties']} items"


def test_every_bound_is_inclusive(ask: Ask) -> None:
    refused = []
    for field, value in at_the_bounds():
        own = [said for where, said in ask(field, value).causes if where == placed(field) and is_about_bounds(said)]
        refused += [(field.name, value, own)] if own else []
    assert refused == []


def test_every_bound_rejects_the_next_value(ask: Ask, figure: Callable[[str], None]) -> None:
    cases = list(beyond_the_bounds())
    accepted = []
    for field, value, words in cases:
        answer = ask(field, value)
        if not any(where == placed(field) and words in said for where, said in answer.causes):
            accepted.append((field.name, str(value)[:80], words, answer.causes))
    assert accepted == []
    figure(f"schema: {len(cases)} objects just outside of the bounds refused")


def test_no_field_accepts_another_type(ask: Ask) -> None:
    taken = []
    for field in fields():
        if field.schema.get("type") in {"string", "integer", "boolean"}:
            wrong: Any = 7 if field.schema["type"] == "string" else "seven"
            told = ask(field, wrong).causes
            if not any(where == placed(field) and "must be of type" in said for where, said in told):
                taken.append((field.name, told))
    assert taken == []


def is_about_bounds(said: str) -> bool:
    return "Unsupported value" in said or "in body should" in said or "Too" in said


def placed(field: SchemaField, value: Any = None) -> str:
    """The path as `Answer.causes` has it."""
    service = with_field(field.path, value if field.path else {})
    node: Any = service.spec
    path = "spec"
    for step in field.path:
        match step:
            case "[]":
                node, path = node[0], f"{path}.0"
            case "{}":
                [key] = node
                node, path = node[key], f"{path}.{key}"
            case _:
                node, path = node[step], f"{path}.{step}"
    return path


def sentences(causes: Any) -> set[tuple[str, str]]:
    """What was said of which field, without the value that is quoted in front."""
    return {
        (where, said[said.find(sentence) :]) for where, said in causes for sentence in RULE_CASES if sentence in said
    }


def objections(answer: DryRunResponse) -> list[tuple[str, str]]:
    """Why an object was refused."""
    return answer.causes or ([] if answer.is_accepted or answer.causes else [("", answer.message)])
