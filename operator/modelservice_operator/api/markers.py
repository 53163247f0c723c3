"""Markers of the schema: CEL rules, list types, string patterns, and the base class of all models.

Every string, list, map and number has a bound: the API server rejects CEL rules whose cost it cannot estimate
(KEP-2876). A pattern has a message, so that users need not read a regular expression; only that of an int-or-string has
none where a CEL rule would cost too much before Kubernetes 1.34 (ADR 0022).
"""

from functools import cache
from typing import NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

PATTERN_MESSAGE = "x-pattern-message"
"""Schema key for the message of a pattern. The CRD generator turns both into a CEL rule."""
UPSTREAM_TYPE = "x-upstream-type"
"""Schema key of a field that is copied unchanged: the class of `api.crdgen.upstream` that describes it."""

ATOMIC: JsonDict = {"x-kubernetes-list-type": "atomic"}
SET: JsonDict = {"x-kubernetes-list-type": "set"}
"""A list of scalars in which each is used once: the API server rejects duplicates."""
INT32: JsonDict = {"format": "int32"}
INT_AS_STRING = BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)
"""Accepts a number where Kubernetes has an int-or-string."""

_INT_OR_STRING: JsonDict = {"x-kubernetes-int-or-string": True}
_MAX_QUANTITY_LENGTH = 32
_QUANTITY_SUFFIX = "([eE][+-]?[0-9]{1,2}|[numkMGTPE]|[KMGTPE]i)?"
_QUANTITY_PATTERN = rf"^([0-9]+([.][0-9]*)?|[.][0-9]+){_QUANTITY_SUFFIX}$"
_POSITIVE_QUANTITY_PATTERN = rf"^(0*[1-9][0-9]*([.][0-9]*)?|[0-9]*[.]0*[1-9][0-9]*){_QUANTITY_SUFFIX}$"
_PARSED_QUANTITY_PATTERN = r"^[+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,3}|[numkMGTPE]|[KMGTPE]i)?$"
"""Quantities that `isQuantity` accepts, without negative ones and exponents beyond 999 (resource.ParseQuantity)."""


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


def quantity() -> FieldInfo:
    """Return a marker for a quantity of at least 0 (apimachinery, resource.Quantity), given as a number or as a string.

    A pattern of the schema checks it: before Kubernetes 1.34 a CEL function on an int-or-string is estimated to read a
    string as long as a request, which is affordable only for a few fields (`amount`).
    """
    extra: JsonDict = {"minimum": 0, "pattern": _QUANTITY_PATTERN}
    return _int_or_string(_QUANTITY_PATTERN, _MAX_QUANTITY_LENGTH, extra)


def positive_quantity() -> FieldInfo:
    """Return a marker for a quantity above 0."""
    extra: JsonDict = {"minimum": 1, "pattern": _POSITIVE_QUANTITY_PATTERN}
    return _int_or_string(_POSITIVE_QUANTITY_PATTERN, _MAX_QUANTITY_LENGTH, extra)


def amount() -> FieldInfo:
    """Return a marker for a quantity of at least 0 with a message."""
    rule = Rule(
        "type(self) == int ? self >= 0 : isQuantity(self) && !self.startsWith('-')",
        "must be a quantity of at least 0, such as 500m, 2 or 1.5Gi",
    )
    return _int_or_string(_PARSED_QUANTITY_PATTERN, _MAX_QUANTITY_LENGTH, cel_rules(rule))


def int_or_percent(max_percent: int) -> FieldInfo:
    """Return a marker for a number of replicas or a percentage up to `max_percent`, which is 100 or 999."""
    percentage = "(100|[0-9]{1,2})%" if max_percent == 100 else "[0-9]{1,3}%"  # noqa: PLR2004 - all of them
    rule = Rule(
        "type(self) == int ? self >= 0 && self <= 10000 : self.endsWith('%')",
        "must be a number of replicas such as 1, or a percentage such as 25%",
    )
    text: JsonDict = {"pattern": f"^{percentage}$"}
    return _int_or_string(f"^([0-9]{{1,5}}|{percentage})$", 5, text | cel_rules(rule))


def _int_or_string(pattern: str, max_length: int, extra: JsonDict) -> FieldInfo:
    """Return a marker for an int-or-string. `pattern` applies to its text; `extra` is added to the schema."""
    field: FieldInfo = Field(
        min_length=1, max_length=max_length, pattern=pattern, json_schema_extra=_INT_OR_STRING | extra
    )
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

    @classmethod
    @cache
    def default(cls) -> Self:
        """Return the model without any field. It is shared, since reconciles need it often."""
        return cls()
