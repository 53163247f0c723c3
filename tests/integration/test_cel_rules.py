"""A real API server enforces every rule and bound of the schema, with values on both sides. It needs no operator.

The cases are generated from the schema: a new field is tested as well, and a new rule without a case fails the test.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.builders import ModelServiceBuilder
from tests.support.children import rejections_of_children
from tests.support.dry_run import DryRunClient, DryRunResponse
from tests.support.kubernetes import SCALE_TO_ZERO_MINOR, server_minor
from tests.support.rule_cases import PATTERN_CASES, RULE_CASES
from tests.support.schema_cases import RULED, at_the_bounds, beyond_the_bounds, pattern_of
from tests.support.schema_fields import REFUSED_FIELD, SchemaField, fields, with_field


@pytest.fixture(scope="module")
def create(server: DryRunClient, namespace: str) -> Callable[[SchemaField, Any], DryRunResponse]:
    """Dry-run the creation of an object whose field has a value."""

    def create_with(field: SchemaField, value: Any) -> DryRunResponse:
        service = with_field(field.path, value) if field.path else ModelServiceBuilder(spec=value)
        return server.create_model_service(service.named("iris", namespace=namespace))

    return create_with


CreateWith = Callable[[SchemaField, Any], DryRunResponse]


def test_every_rule_has_valid_and_invalid_cases() -> None:
    assert {rule["message"] for _, rule in RULED} == set(RULE_CASES)
    assert all(sides.rejected and sides.accepted for sides in RULE_CASES.values())


def test_every_example_is_accepted(create: CreateWith) -> None:
    tried = [field for field in fields() if field.is_property and not field.name.startswith(REFUSED_FIELD)]
    rejected = {field.name: errors_of(create(field, field.example)) for field in tried}
    assert {name: message for name, message in rejected.items() if message} == {}


@pytest.mark.core
def test_every_rule_rejects_with_its_message(create: CreateWith, figure: Callable[[str], None]) -> None:
    cases = [(field, rule, value) for field, rule in RULED for value in RULE_CASES[rule["message"]].rejected]
    missing = []
    for field, rule, value in cases:
        errors = dict.fromkeys(create(field, value).causes)
        if (cause_path(field, value) + rule.get("fieldPath", ""), rule["message"]) not in without_values(errors):
            missing.append((field.name, rule["message"], value, list(errors)))
    assert missing == []
    figure(f"schema: {len(RULED)} rules with {len(RULE_CASES)} messages rejected {len(cases)} objects")


@pytest.mark.core
def test_every_rule_accepts_its_valid_values(
    create: CreateWith, server: DryRunClient, figure: Callable[[str], None]
) -> None:
    """The children of an object just inside a rule are accepted too."""
    cases = [(field, value) for field, rule in RULED for value in RULE_CASES[rule["message"]].accepted]
    rejected = []
    for field, value in cases:
        answer = create(field, value)
        of_children = [message for message in rejections_of_children(server, answer) if is_unexpected(message)]
        errors = errors_of(answer) or of_children
        rejected += [(field.name, value, errors)] if errors else []
    assert rejected == []
    figure(f"schema: {len(cases)} objects just inside the rules accepted, with all of their children")


def is_unexpected(rejection: str) -> bool:
    """Return False for scale to zero on old versions: the status of a ModelService reports it."""
    return "spec.minReplicas: Invalid value: 0" not in rejection or server_minor() >= SCALE_TO_ZERO_MINOR


def test_every_pattern_rejects_and_accepts_its_cases(create: CreateWith, figure: Callable[[str], None]) -> None:
    """Few fields have a pattern without a message: a CEL rule for them would cost too much before Kubernetes 1.34."""
    cases = [(field, PATTERN_CASES[pattern_of(field)]) for field in fields() if "pattern" in field.schema]
    wrong = [
        (field.name, value)
        for field, sides in cases
        for expected, values in ((False, sides.rejected), (True, sides.accepted))
        for value in values
        if expected is any(where == cause_path(field) for where, _ in create(field, value).causes)
    ]
    assert wrong == []
    figure(f"schema: {len(cases)} fields have a pattern without a message")


def test_every_bound_is_inclusive(create: CreateWith) -> None:
    rejected = []
    for field, value in at_the_bounds():
        own = [
            message
            for where, message in create(field, value).causes
            if where == cause_path(field) and is_about_bounds(message)
        ]
        rejected += [(field.name, value, own)] if own else []
    assert rejected == []


def test_every_bound_rejects_the_next_value(create: CreateWith, figure: Callable[[str], None]) -> None:
    cases = list(beyond_the_bounds())
    accepted = []
    for field, value, words in cases:
        answer = create(field, value)
        if not any(where == cause_path(field) and words in message for where, message in answer.causes):
            accepted.append((field.name, str(value)[:80], words, answer.causes))
    assert accepted == []
    figure(f"schema: {len(cases)} objects just outside the bounds rejected")


def test_no_field_accepts_another_type(create: CreateWith) -> None:
    accepted = []
    for field in fields():
        if field.schema.get("type") in {"string", "integer", "boolean"}:
            wrong: Any = 7 if field.schema["type"] == "string" else "seven"
            errors = create(field, wrong).causes
            if not any(where == cause_path(field) and "must be of type" in message for where, message in errors):
                accepted.append((field.name, errors))
    assert accepted == []


def is_about_bounds(message: str) -> bool:
    return "Unsupported value" in message or "in body should" in message or "Too" in message


def cause_path(field: SchemaField, value: Any = None) -> str:
    """Return the path of a field as in `DryRunResponse.causes`."""
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


def without_values(causes: Any) -> set[tuple[str, str]]:
    """Return fields and messages without the quoted value at the start of a message."""
    return {
        (where, message[message.find(rule_message) :])
        for where, message in causes
        for rule_message in RULE_CASES
        if rule_message in message
    }


def errors_of(answer: DryRunResponse) -> list[tuple[str, str]]:
    """Return the validation errors of an object, or the message of a rejection without causes."""
    return answer.causes or ([] if answer.is_accepted or answer.causes else [("", answer.message)])
