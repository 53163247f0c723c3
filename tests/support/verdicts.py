"""Compares the judge of the command line with the API server: same verdict, same sentences, same defaults."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from modelservice_cli.go_text import to_json
from modelservice_cli.offline.field_errors import aggregate
from modelservice_cli.offline.judge import Judge, Refusal
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.dry_run import DryRunClient, DryRunResponse
from tests.support.rule_cases import PATTERN_CASES, RULE_CASES
from tests.support.schema_cases import (
    EDGES,
    NUMBERS,
    REFUSED_SERVICES,
    RULED,
    at_the_bounds,
    beyond_the_bounds,
    hostile_values,
    pattern_of,
)
from tests.support.schema_fields import SchemaField, fields, with_field

Manifest = dict[str, Any]
Case = tuple[str, Manifest]
"""A description, and an object without its namespace."""
ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 7, 2**31, 2**63 - 1, 1.5, 1e21, "", "x", "é\u200b\n", "100%", [], [None], ["x", "x"], {},
    {"a": None}, {"name": 1}, [{}], [{"name": "a"}, {"name": "a"}],
)  # fmt: skip
"""Values of every JSON type, for every field. kubectl sends 1.0 as 1."""


@dataclass
class Comparison:
    """Result of many comparisons."""

    total: int = 0
    refused: int = 0
    differences: list[tuple[str, str, str]] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.differences = []


def compare(server: DryRunClient, judge: Judge, namespace: str, cases: Iterable[Case]) -> Comparison:
    """Compare the verdicts on all cases: the differences have the case, the server's answer and the judge's."""
    result = Comparison()
    for name, manifest in cases:
        named = manifest | {"metadata": manifest.get("metadata", {}) | {"namespace": namespace}}
        answer = server.create(MODEL_SERVICE.path(namespace=namespace), named)
        verdict = judge.create(named)
        result.total += 1
        result.refused += not answer.is_accepted
        expected, found = _of_server(answer), _of_judge(verdict.refusal, answer)
        if answer.is_accepted and verdict.refusal is None:
            expected, found = to_json(answer.body["spec"]), to_json(verdict.body["spec"])
        if expected != found:
            result.differences.append((name, expected, found))
    return result


def _of_server(answer: DryRunResponse) -> str:
    return "accepted" if answer.is_accepted else f"{answer.status} {answer.message}"


def _of_judge(refusal: Refusal | None, answer: DryRunResponse) -> str:
    """Return the judge's message with its causes in the order of the server, which visits a map in random order."""
    if refusal is None:
        return "accepted"
    prefix, _, _ = refusal.message.partition(" is invalid: ")
    if prefix == refusal.message:
        return f"{refusal.code} {refusal.message}"
    own = [finding.message.partition(" is invalid: ")[2] for finding in refusal.findings]
    causes = (answer.body.get("details") or {}).get("causes", ())
    order = [f"{cause.get('field', '')}: {cause['message']}" for cause in causes]
    own.sort(key=lambda message: order.index(message) if message in order else len(order))
    return f"{refusal.code} {prefix} is invalid: {aggregate(own)}"


def _case(field: SchemaField, value: Any, about: str = "") -> Case:
    service = with_field(field.path, value) if field.path else ModelServiceBuilder(spec=value)
    return f"{field.name or 'spec'} {about} = {str(value)[:60]}", service.named("iris").manifest()


def refused_cases() -> Iterator[Case]:
    """Yield the objects that the tests of the schema expect to be refused."""
    for field, rule in RULED:
        yield from (_case(field, value, "rule") for value in RULE_CASES[rule["message"]].rejected)
    yield from (_case(field, value, "bound") for field, value, _ in beyond_the_bounds())
    for field in fields():
        if "pattern" in field.schema:
            yield from (_case(field, value, "pattern") for value in PATTERN_CASES[pattern_of(field)].rejected)
        if field.schema.get("type") in {"string", "integer", "boolean"}:
            yield _case(field, 7 if field.schema["type"] == "string" else "seven", "type")
    yield from ((str(service.spec)[:80], service.manifest()) for service, _ in REFUSED_SERVICES)


def accepted_cases() -> Iterator[Case]:
    """Yield the objects just inside of rules and bounds."""
    for field, rule in RULED:
        yield from (_case(field, value, "rule") for value in RULE_CASES[rule["message"]].accepted)
    yield from (_case(field, value, "bound") for field, value in at_the_bounds())
    for field in fields():
        if "pattern" in field.schema:
            yield from (_case(field, value, "pattern") for value in PATTERN_CASES[pattern_of(field)].accepted)


def hostile_cases() -> Iterator[Case]:
    """Yield the objects with hostile text in every field, and with numbers at every bound."""
    yield from (_case(field, value, kind) for kind, field, _, value in hostile_values() if kind != "1 MiB")
    yield from (_case(field, field.schema[bound] + step, bound) for field in NUMBERS for bound, step in EDGES)


def odd_cases() -> Iterator[Case]:
    """Yield objects with a value of each JSON type in every field, and with an unknown field in every object."""
    for field in fields():
        yield from (_case(field, value, "odd") for value in ODD_VALUES)
        example = field.schema.get("examples", [None])[0]
        if field.schema.get("properties") and isinstance(example, dict):
            yield _case(field, example | {"noSuchField": {"a": [1]}}, "unknown field")
        if field.schema.get("items", {}).get("properties") and isinstance(example, list):
            yield _case(field, [*example, {"zzz": 1, "aaa": 2}], "unknown field")


def metadata_cases() -> Iterator[Case]:
    """Yield objects with metadata of every kind, and without a spec."""
    metadata: tuple[Manifest, ...] = (
        {}, {"name": ""}, {"name": "Upper"}, {"name": "a b"}, {"name": "a" * 254}, {"name": "a" * 64}, {"name": "9"},
        {"name": "a.b"}, {"name": "-a"}, {"name": "é"}, {"generateName": "iris-"},
        {"name": "iris", "labels": {"a b": "c"}}, {"name": "iris", "labels": {"a": "b c"}},
        {"name": "iris", "labels": {"a/b/c": "d"}}, {"name": "iris", "labels": {"/b": "d"}},
        {"name": "iris", "labels": {"a/": "d"}}, {"name": "iris", "labels": {"A_/b": "-"}},
        {"name": "iris", "labels": {"a": "b" * 64}}, {"name": "iris", "labels": {"a" * 64: "b"}},
        {"name": "iris", "labels": {"a" * 254 + "/b": "b"}}, {"name": "iris", "labels": {"a": None}},
        {"name": "iris", "labels": {"a": 1}}, {"name": "iris", "labels": {"a": True}},
        {"name": "iris", "labels": ["a"]}, {"name": "iris", "labels": "a"}, {"name": "iris", "annotations": {"a": 1.5}},
        {"name": "iris", "annotations": {"a b": "c"}}, {"name": "iris", "annotations": {"EXAMPLE.com/A": "c"}},
        {"name": "iris", "annotations": {"a": "b" * 300_000}}, {"name": 7}, {"name": "iris", "finalizers": ["a b"]},
        {"name": "iris", "owner": "me"}, {"name": "iris", "zone": {"a": 1}, "labelz": {}},
        {"name": "iris", "finalizers": ["example.com/a"]}, {"name": "iris", "finalizers": "a"},
        {"name": "iris", "finalizers": [1]}, {"name": "iris", "generation": "a"}, {"name": "iris", "generation": 1.5},
        {"name": "iris", "ownerReferences": {}}, {"name": "iris", "ownerReferences": ["a"]},
    )  # fmt: skip
    iris = model_service()
    for one in metadata:
        yield f"metadata {str(one)[:60]}", iris.manifest() | {"metadata": one}
    spec_less = {key: value for key, value in iris.manifest().items() if key != "spec"}
    yield "no spec", spec_less
    specs: tuple[Any, ...] = (None, "x", [], 7, {})
    for spec in specs:
        yield f"spec {spec}", spec_less | {"spec": spec}
    yield "unknown fields of the object", iris.manifest() | {"data": {}, "Spec": 1}
    yield "a status", iris.manifest() | {"status": {"readyReplicas": 3}}
    yield "an unknown field in the status", iris.manifest() | {"status": {"ready": 3}}
