"""Markers of the schema: CEL rules, list types, string patterns, and the base class of all models.

Every string, list, map and number has a bound: the API server rejects CEL rules whose cost it cannot estimate
(KEP-2876). A pattern always has a message, so that users never have to read a regular expression.
"""

from typing import NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

PATTERN_MESSAGE = "x-pattern-message"
"""Schema key for the message of a pattern. The CRD generator turns both into a CEL rule."""
UPSTREAM_TYPE = "x-upstream-type"
"""Schema key of a field that is copied unchanged: the class of `api.crdgen.upstream` that describes it."""

ATOMIC: JsonDict = {"x-kubernetes-list-type": "atomic"}
INT32: JsonDict = {"format": "int32"}
INT_AS_STRING = BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)
"""Accepts a number where Kubernetes has an int-or-string."""

QUANTITY_PATTERN = r"^([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2}|[mkMGTPE]|[KMGTPE]i)?$"
_INT_OR_STRING: JsonDict = {"x-kubernetes-int-or-string": True}


class Rule(NamedTuple):
    """A CEL rule, the message for its violation, and the path of the invalid field."""

    rule: str
    message: str
    field: str = ""


def cel_rules(*rules: Rule | tuple[str, str]) -> JsonDict:
    """Return a schema extension with CEL rules."""
    return {"x-kubernetes-validations": [_validation(Rule(*rule)) for rule in rules]}


def string_with_pattern(pattern: str, message: str, *, max_length: int, rules: JsonDict | None = None) -> FieldInfo:
    r"""Return a marker for a non-empty string that matches `pattern`; `message` describes what is valid.

    The pattern is read by the Rust regex crate here and by RE2 in the API server; both support `\p{C}`.
    """
    extra = {PATTERN_MESSAGE: message, **(rules or {})}
    field: FieldInfo = Field(min_length=1, max_length=max_length, pattern=pattern, json_schema_extra=extra)
    return field


def dns_label(noun: str, *, rules: JsonDict | None = None) -> FieldInfo:
    """Return a marker for the name of a `noun` in a pod (RFC 1123 label)."""
    message = (
        f"must be the name of a {noun}: lower-case letters, digits and '-', beginning and ending with a letter or digit"
    )
    return string_with_pattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", message, max_length=63, rules=rules)


def quantity(rule: Rule) -> FieldInfo:
    """Return a marker for a quantity (apimachinery, resource.Quantity), given as a number or as a string."""
    extra = _INT_OR_STRING | cel_rules(rule)
    field: FieldInfo = Field(min_length=1, max_length=64, pattern=QUANTITY_PATTERN, json_schema_extra=extra)
    return field


def int_or_percent(*rules: Rule) -> FieldInfo:
    """Return a marker for a number of replicas or a percentage, with additional CEL rules."""
    rule = Rule(
        "type(self) == int ? self >= 0 && self <= 10000 : self.matches('^[0-9]{1,3}%$')",
        "must be a number of replicas such as 1, or a percentage such as 25%",
    )
    extra = _INT_OR_STRING | cel_rules(rule, *rules)
    pattern = r"^([0-9]{1,5}|[0-9]{1,3}%)$"
    field: FieldInfo = Field(min_length=1, max_length=5, pattern=pattern, json_schema_extra=extra)
    return field


def list_map(*keys: str) -> JsonDict:
    """Return a schema extension for a list with items identified by `keys`, which several managers can share."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def upstream_schema(upstream: str) -> JsonDict:
    """Return a schema extension for a field of a type of Kubernetes, which the operator copies unchanged."""
    return {UPSTREAM_TYPE: upstream}


def _validation(rule: Rule) -> JsonDict:
    validation: JsonDict = {"rule": rule.rule, "message": rule.message}
    return validation | ({"fieldPath": rule.field} if rule.field else {})


class ApiModel(BaseModel):
    """Base of all models: camel case in JSON, snake case in Python; frozen; unknown fields are ignored.

    The API server has already pruned unknown fields.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")
