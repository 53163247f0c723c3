"""What the schema is written with: CEL rules, list types, bounded primitives, and the base of every model.

Every string, list, map and number has a bound: the API server refuses CEL rules whose cost it cannot estimate
(KEP-2876).
"""

from typing import Annotated, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict


class Rule(NamedTuple):
    """A CEL rule and the sentence that a person reads when it does not hold."""

    rule: str
    message: str


def cel(*rules: Rule | tuple[str, str], **fields: str) -> JsonDict:
    """Schema extension with CEL rules `(rule, sentence)`; `fields` may name the fieldPath that all of them blame."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message, **fields} for rule, message in rules]}


def list_map(*keys: str) -> JsonDict:
    """Schema extension: a list whose items are told apart by `keys`, so that several managers can share it."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


INT32: JsonDict = {"format": "int32"}
Port = Annotated[int, Field(ge=1, le=65535, json_schema_extra=INT32)]
Count = Annotated[int, Field(ge=0, le=10_000, json_schema_extra=INT32)]
PositiveCount = Annotated[int, Field(ge=1, le=10_000, json_schema_extra=INT32)]
Seconds = Annotated[int, Field(ge=0, le=86_400, json_schema_extra=INT32)]
PositiveSeconds = Annotated[int, Field(ge=1, le=86_400, json_schema_extra=INT32)]
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
AbsolutePath = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1024,
        pattern="^/",
        json_schema_extra=cel(("!self.split('/').exists(part, part == '..')", "must not contain '..'")),
    ),
]
Quantity = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    Field(
        max_length=64,
        pattern=r"^([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+|[mkMGTPE]|[KMGTPE]i)?$",
        # The API server does not match the pattern of an int-or-string, so a rule says it once more.
        json_schema_extra={"x-kubernetes-int-or-string": True}
        | cel(
            (
                "type(self) == int ? self >= 0 : isQuantity(self) && !quantity(self).isLessThan(quantity('0'))",
                "must be a quantity of at least 0, such as 500m, 2 or 1.5Gi",
            )
        ),
    ),
]


IntOrPercent = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    Field(
        max_length=5,
        pattern=r"^([0-9]{1,5}|[0-9]{1,3}%)$",
        json_schema_extra={"x-kubernetes-int-or-string": True}
        | cel(
            (
                "type(self) == int ? self >= 0 && self <= 10000 : self.matches('^[0-9]{1,3}%$')",
                "must be a number of replicas such as 1, or a share such as 25%",
            )
        ),
    ),
]
LabelValue = Annotated[str, Field(max_length=63, pattern="^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]
HostName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    ),
]
_RESERVED_DOMAINS = ("kubernetes.io", "k8s.io", "modelservice.dev", "argoproj.io", "fluxcd.io")
NO_RESERVED_KEYS: JsonDict = cel(
    (
        "!self.exists(key, key.contains('/') && ("
        + " || ".join(f"key.split('/')[0].endsWith('{domain}')" for domain in _RESERVED_DOMAINS)
        + "))",
        f"keys of the domains {', '.join(_RESERVED_DOMAINS)} are reserved",
    )
)
ATOMIC: JsonDict = {"x-kubernetes-list-type": "atomic"}
FREE_FORM: JsonDict = {"x-kubernetes-preserve-unknown-fields": True}
"""Passed through as it is: the upstream schema is too large to write out, and the API server checks the child."""


class ApiModel(BaseModel):
    """Camel case outside, snake case inside; frozen; what is unknown was pruned by the API server."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")
