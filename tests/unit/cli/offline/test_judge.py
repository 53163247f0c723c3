"""Suggestions and transition rules of the judge. tests/integration/cli compares its verdicts with a server."""

from typing import Any

import pytest

from modelservice_cli.errors import CliError
from modelservice_cli.offline.judge import Judge
from tests.support.builders import model_service

JUDGE = Judge()
iris = model_service()


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"imagePullPolicies": "Always"}, "did you mean 'imagePullPolicy'?"),
        ({"replica": 1}, "did you mean 'replicas'?"),
        ({"container-port": 1}, "did you mean 'containerPort'?"),
        ({"Env": []}, "did you mean 'env'?"),
        ({"zzz": 1}, ""),
    ],
)
def test_unknown_field_has_a_suggestion(changes: dict[str, Any], advice: str) -> None:
    refusal = JUDGE.create(iris.with_spec(**changes).manifest()).refusal
    assert refusal is not None
    assert [finding.advice for finding in refusal.findings] == [advice]


def definition(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a CRD with one rule on a field."""
    size = {"type": "integer", "x-kubernetes-validations": [rule]}
    items = {"type": "object", "properties": {"name": {"type": "string"}, "size": dict(size)}}
    listed = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": items}
    spec = {"type": "object", "properties": {"size": size, "listed": listed}}
    schema = {"type": "object", "properties": {"spec": spec}}
    return {"spec": {"versions": [{"name": "v1alpha1", "schema": {"openAPIV3Schema": schema}}]}}


def object_of(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "iris", "namespace": "ml"}, "spec": spec}


def test_transition_rules_need_an_earlier_object() -> None:
    judge = Judge(
        definition({"rule": "self >= oldSelf", "message": "must not shrink", "reason": "FieldValueForbidden"})
    )
    assert judge.create(object_of(size=1)).refusal is None
    assert judge.update(object_of(size=2), object_of(size=1)).refusal is None
    refusal = judge.update(object_of(size=1), object_of(size=2)).refusal
    assert refusal is not None
    assert refusal.message == 'ModelService.modelservice.dev "iris" is invalid: spec.size: Forbidden: must not shrink'


def test_transition_rules_compare_items_by_their_keys() -> None:
    judge = Judge(definition({"rule": "self >= oldSelf"}))
    old = object_of(listed=[{"name": "a", "size": 1}, {"name": "b", "size": 5}])
    refusal = judge.update(object_of(listed=[{"name": "b", "size": 4}, {"name": "c", "size": 0}]), old).refusal
    assert refusal is not None
    assert [finding.steps for finding in refusal.findings] == [("spec", "listed", 0, "size")]
    assert refusal.message.endswith("spec.listed[0].size: Invalid value: 4: failed rule: self >= oldSelf")


def test_optional_old_self_is_evaluated_on_creation() -> None:
    judge = Judge(definition({"rule": "!oldSelf.hasValue() && self > 1", "optionalOldSelf": True, "message": "no"}))
    assert judge.create(object_of(size=2)).refusal is None
    assert judge.create(object_of(size=1)).refusal is not None
    assert judge.update(object_of(size=2), object_of(size=2)).refusal is not None


def test_message_expression_precedes_the_message() -> None:
    rule = {"rule": "self < 2", "message": "small", "messageExpression": "'at most 1, not ' + string(self)"}
    refusal = Judge(definition(rule)).create(object_of(size=2)).refusal
    assert refusal is not None
    assert refusal.message.endswith("spec.size: Invalid value: 2: at most 1, not 2")


def test_message_replaces_a_message_expression_that_fails() -> None:
    rule = {"rule": "self < 2", "message": "small", "messageExpression": "string(dyn(self).none)"}
    refusal = Judge(definition(rule)).create(object_of(size=2)).refusal
    assert refusal is not None
    assert refusal.message.endswith(": small")


@pytest.mark.parametrize(
    ("keyword", "message"),
    [
        ({"allOf": [{"minimum": 1}]}, "The schema has allOf at spec.size, which cannot be judged offline."),
        ({"format": "date-time"}, "The schema has format date-time at spec.size, which cannot be judged offline."),
    ],
)
def test_schema_that_cannot_be_judged_is_refused(keyword: dict[str, Any], message: str) -> None:
    crd = definition({"rule": "true"})
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"] |= keyword
    with pytest.raises(CliError) as error:
        Judge(crd)
    assert str(error.value) == message


def test_judge_does_not_change_its_input() -> None:
    manifest = iris.manifest()
    before = str(manifest)
    JUDGE.create(manifest)
    assert str(manifest) == before
