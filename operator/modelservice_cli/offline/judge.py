"""Judges a ModelService as the API server does when it is created with fieldValidation=Strict, without a server.

Objects are as kubectl sends them: `documents` makes an integer of 1.0.

The steps and their order are those of the server: unknown fields, nulls, defaults, metadata, schema, lists, CEL rules.
A refusal has the server's message. Where the server visits a map in random order, the judge keeps that of the object.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

from modelservice_cli.go_text import quote, to_go, type_of
from modelservice_cli.offline.expressions import matches
from modelservice_cli.offline.field_errors import BLOCKING, FieldError, Steps, aggregate, invalid
from modelservice_cli.offline.lists import validate_lists
from modelservice_cli.offline.metadata import KNOWN_FIELDS, RANDOM_CHARACTERS, decoding_error, validate_metadata
from modelservice_cli.offline.rules import evaluate_rules
from modelservice_cli.offline.schema_validation import validate
from modelservice_cli.offline.structure import (
    Schema,
    UnknownField,
    check_keywords,
    drop_nulls,
    prune,
    set_defaults,
    suggest,
)
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Object

_BAD_REQUEST, _UNPROCESSABLE = 400, 422
_NOT_CHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete"
    " validation"
)
_SCALE_PATH = ("spec", "replicas")
"""Field that the subresource scale reads."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line for the user: what the server says, and where."""

    message: str
    steps: Steps
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The API server's answer to an object that it does not store."""

    code: int
    message: str
    """Message of the metav1.Status."""
    findings: tuple[Finding, ...]
    """The causes, one by one, as kubectl begins its lines."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The object as the server would store it, or the refusal."""

    body: Object
    refusal: Refusal | None


class Judge:
    """Judges objects by the schema of one version of a CRD."""

    def __init__(self, definition: Mapping[str, Any] | None = None) -> None:
        """Use a CRD, or that of this version of the program."""
        self.schema: Schema = _own_schema() if definition is None else _schema_of(definition)
        for part, schema in self.schema["properties"].items():
            if part != "status":  # the server removes the status from an object that is created
                check_keywords(schema, part)

    def create(self, manifest: Object) -> Verdict:
        """Judge an object that is created."""
        return self._judge(manifest, None)

    def update(self, manifest: Object, old: Object) -> Verdict:
        """Judge an object that replaces `old`: transition rules are evaluated too.

        The server also tolerates errors of fields that the update does not change (KEP-4008); here they are refused.
        """
        return self._judge(manifest, old)

    def _judge(self, manifest: Object, old: Object | None) -> Verdict:
        body = deepcopy(manifest)
        metadata = {} if body.get("metadata") is None else body["metadata"]
        if (problem := decoding_error(metadata)) is not None:
            return Verdict(body, _bad_request(problem[0], [Finding(problem[0], problem[1])]))
        unknown = _unknown_metadata(metadata) + prune(body, self.schema)
        if unknown:
            return Verdict(body, _strict_refusal(unknown))
        drop_nulls(body, self.schema)
        body.pop("status", None)  # a subresource: only its own path writes it
        set_defaults(body, self.schema)
        status = body.pop("status", None)
        _generate_name(body.get("metadata") or {})
        errors = self._errors(body, old)
        if status is not None:
            body["status"] = status
        name = str(metadata.get("name") or "")
        return Verdict(body, _invalid_refusal(name, errors) if errors else None)

    def _errors(self, body: Object, old: Object | None) -> list[FieldError]:
        errors = [
            *validate_metadata(body.get("metadata") or {}),
            *validate(body, self.schema, matches),
            *_scale_errors(body),
            *validate_lists(body, self.schema),
        ]
        if any(error.type in BLOCKING for error in errors):
            return [*errors, invalid("<nil>", None, _NOT_CHECKED)]
        rules = evaluate_rules(body, self.schema) if old is None else evaluate_rules(body, self.schema, old)
        return [*errors, *rules]


def _generate_name(metadata: Object) -> None:
    """Set a name for the prefix in generateName: the server does so before it validates."""
    if metadata.get("generateName") and not metadata.get("name"):
        metadata["name"] = metadata["generateName"] + "x" * RANDOM_CHARACTERS


@cache
def _own_schema() -> Schema:
    from modelservice_operator.api.crdgen.crd import custom_resource_definition

    return _schema_of(custom_resource_definition())


def _schema_of(definition: Mapping[str, Any]) -> Schema:
    version = next(one for one in definition["spec"]["versions"] if one["name"] == MODEL_SERVICE.version)
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def _unknown_metadata(metadata: Mapping[str, Any]) -> list[UnknownField]:
    unknown = sorted(key for key in metadata if key not in KNOWN_FIELDS)
    return [UnknownField(f"metadata.{key}", ("metadata", key), suggest(key, KNOWN_FIELDS)) for key in unknown]


def _scale_errors(body: Object) -> list[FieldError]:
    """Return the error for replicas that the subresource scale cannot read (ValidateScaleSpec)."""
    node: Any = body
    field = f".{'.'.join(_SCALE_PATH)}"
    for depth, key in enumerate(_SCALE_PATH):
        if not isinstance(node, dict):
            expected = "map[string]interface{}"
            detail = f"{field} accessor error: {to_go(node)} is of the type {type_of(node)}, expected {expected}"
            return [invalid(field, 0, detail, _SCALE_PATH[:depth])]
        if key not in node:
            return []
        node = node[key]
    if isinstance(node, bool) or not isinstance(node, int):
        detail = f"{field} accessor error: {to_go(node)} is of the type {type_of(node)}, expected int64"
        return [invalid(field, 0, detail, _SCALE_PATH)]
    if node < 0:
        return [invalid(field, node, "should be a non-negative integer", _SCALE_PATH)]
    if node > 2**31 - 1:
        return [invalid(field, node, f"should be less than or equal to {2**31 - 1}", _SCALE_PATH)]
    return []


def _strict_refusal(unknown: Sequence[UnknownField]) -> Refusal:
    messages = [f'unknown field "{one.path}"' for one in unknown]
    advice = [f"did you mean {one.suggestion!r}?" if one.suggestion else "" for one in unknown]
    found = [
        Finding(_cannot_be_handled(f"strict decoding error: {message}"), one.steps, hint)
        for message, one, hint in zip(messages, unknown, advice, strict=True)
    ]
    return _bad_request(f"strict decoding error: {', '.join(messages)}", found)


def _bad_request(detail: str, findings: Sequence[Finding]) -> Refusal:
    return Refusal(_BAD_REQUEST, _cannot_be_handled(detail), tuple(findings))


def _cannot_be_handled(detail: str) -> str:
    kind = MODEL_SERVICE.kind
    return f'{kind} in version "{MODEL_SERVICE.version}" cannot be handled as a {kind}: {detail}'


def _invalid_refusal(name: str, errors: Sequence[FieldError]) -> Refusal:
    """Return the refusal as a Status of the reason Invalid (api/errors, NewInvalid); kubectl prints its causes."""
    messages = [error.message for error in errors]
    kubectl = f"The {MODEL_SERVICE.kind} {quote(name)} is invalid: "
    findings = {error.message: Finding(kubectl + error.message, error.steps) for error in errors}
    qualified = f"{MODEL_SERVICE.kind}.{MODEL_SERVICE.group} {quote(name)} is invalid: "
    return Refusal(_UNPROCESSABLE, qualified + aggregate(messages), tuple(findings.values()))
