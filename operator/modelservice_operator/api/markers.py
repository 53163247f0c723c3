"""What the schema is written with: CEL rules, list types, bounded primitives, and the base of every model.

Every string, list, map and number has a bound: the API server refuses CEL rules whose cost it cannot estimate
(KEP-2876). A pattern never reaches the user as a regular expression: it comes with a sentence.
"""

from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

PATTERN_MESSAGE = "x-sentence"
"""Key beside a pattern: what the user reads. The generator makes a CEL rule of the two."""
UPSTREAM_TYPE = "x-upstream"
"""Key of a field that is passed through: the class of `api.upstream` that describes it."""


class Rule(NamedTuple):
    """A CEL rule, the sentence that a person reads when it does not hold, and the field below that is to blame."""

    rule: str
    message: str
    field: str = ""


def cel_rules(*rules: Rule | tuple[str, str]) -> JsonDict:
    """Schema extension with CEL rules."""
    return {"x-kubernetes-validations": [_validation(Rule(*rule)) for rule in rules]}


def _validation(rule: Rule) -> JsonDict:
    validation: JsonDict = {"rule": rule.rule, "message": rule.message}
    return validation | ({"fieldPath": rule.field} if rule.field else {})


def string_with_pattern(pattern: str, message: str, *, max_length: int, rules: JsonDict | None = None) -> Any:  # noqa: ANN401
    r"""A string that is not empty and matches `pattern`; `sentence` says what to write instead.

    The pattern is read by the Rust regex crate here and by RE2 in the API server; both know `\p{C}`.
    """
    extra = {PATTERN_MESSAGE: message, **(rules or {})}
    return Field(min_length=1, max_length=max_length, pattern=pattern, json_schema_extra=extra)


def dns_label(noun: str, *, rules: JsonDict | None = None) -> Any:  # noqa: ANN401
    """The name of `what` inside of a pod (RFC 1123 label)."""
    sentence = (
        f"must be the name of a {noun}: lower-case letters, digits and '-', beginning and ending with a letter or digit"
    )
    return string_with_pattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", sentence, max_length=63, rules=rules)


def list_map(*keys: str) -> JsonDict:
    """Schema extension: a list whose items are told apart by `keys`, so that several managers can share it."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def upstream_schema(upstream: str) -> JsonDict:
    """Schema extension: the API server knows the whole form, the operator takes it as it is."""
    return {UPSTREAM_TYPE: upstream}


ATOMIC: JsonDict = {"x-kubernetes-list-type": "atomic"}
INT32: JsonDict = {"format": "int32"}
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NO_PARENT_SEGMENTS = (
    "!self.split('/').exists(part, part == '..')",
    "must not contain '..': write the path of the directory itself",
)

Port = Annotated[int, Field(ge=1, le=65535, json_schema_extra=INT32)]
Count = Annotated[int, Field(ge=0, le=10_000, json_schema_extra=INT32)]
PositiveCount = Annotated[int, Field(ge=1, le=10_000, json_schema_extra=INT32)]
Seconds = Annotated[int, Field(ge=0, le=86_400, json_schema_extra=INT32)]
PositiveSeconds = Annotated[int, Field(ge=1, le=86_400, json_schema_extra=INT32)]
ObjectName = Annotated[
    str,
    string_with_pattern(
        f"^{_SUBDOMAIN}$",
        "must be the name of an object: lower-case letters, digits, '-' and '.', beginning and ending with a letter"
        " or digit",
        max_length=253,
    ),
]
ImageReference = Annotated[
    str,
    string_with_pattern(
        "^[A-Za-z0-9][-A-Za-z0-9._:/@]*$",
        "must be an image reference without spaces, such as registry.example.com/iris-server:1.4",
        max_length=1024,
    ),
]
AbsolutePath = Annotated[
    str,
    string_with_pattern(
        r"^/[^\p{C}]*$",
        "must be an absolute path without control characters: begin with '/'",
        max_length=1024,
        rules=cel_rules(_NO_PARENT_SEGMENTS),
    ),
]
MountPath = Annotated[
    str,
    string_with_pattern(
        r"^/[^\p{C}:]*$",
        "must be an absolute path without ':' and control characters: begin with '/'",
        max_length=1024,
        rules=cel_rules(
            _NO_PARENT_SEGMENTS, ("!(self in ['/', '/tmp', '/tmp/'])", "/ and /tmp are reserved: choose another path")
        ),
    ),
]
RelativePath = Annotated[
    str,
    string_with_pattern(
        r"^[^/\p{C}][^\p{C}]*$",
        "must be a relative path without control characters: do not begin with '/'",
        max_length=1024,
        rules=cel_rules(("!self.split('/').exists(part, part == '..')", "must be relative, without '..'")),
    ),
]
RequestPath = Annotated[
    str,
    string_with_pattern(
        r"^/[^\s\p{C}]*$", "must be a path such as /health: begin with '/', use no spaces", max_length=1024
    ),
]
RoutePath = Annotated[
    str,
    string_with_pattern(
        r"^/([-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*$",
        "must be a path such as /iris: begin with '/', percent-encode other characters than letters and digits (RFC"
        " 3986)",
        max_length=1024,
        rules=cel_rules(
            (
                r"!self.matches('//|/[.]{1,2}(/|$)|%2[fF]')",
                "must not contain '//', '/./', '/../' or an encoded slash: write the normalized path",
            )
        ),
    ),
]
QualifiedName = Annotated[
    str,
    string_with_pattern(
        f"^({_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$",
        "must be a name such as example.com/name: an optional domain and '/', then at most 63 letters, digits, '-',"
        " '_' and '.'",
        max_length=316,
    ),
]
LabelValue = Annotated[
    str,
    Field(
        max_length=63,
        pattern="^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        json_schema_extra={
            PATTERN_MESSAGE: "must be a label value: at most 63 letters, digits, '-', '_' and '.', beginning and"
            " ending with a letter or digit"
        },
    ),
]
HostName = Annotated[
    str,
    string_with_pattern(
        rf"^([*][.])?{_SUBDOMAIN}$",
        "must be a host name such as iris.example.com, or with a wildcard *.example.com",
        max_length=253,
    ),
]
_QUANTITY_PATTERN = r"^([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2}|[mkMGTPE]|[KMGTPE]i)?$"
Quantity = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    Field(
        min_length=1,
        max_length=64,
        pattern=_QUANTITY_PATTERN,
        json_schema_extra={"x-kubernetes-int-or-string": True}
        | cel_rules(
            (
                f"type(self) == int ? self >= 0 : self.matches(r'{_QUANTITY_PATTERN}')",
                "must be a quantity of at least 0, such as 500m, 2 or 1.5Gi",
            )
        ),
    ),
]
PositiveQuantity = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    Field(
        min_length=1,
        max_length=64,
        pattern=_QUANTITY_PATTERN,
        json_schema_extra={"x-kubernetes-int-or-string": True}
        | cel_rules(
            Rule(
                f"type(self) == int ? self > 0 : self.matches(r'{_QUANTITY_PATTERN}')"
                " && quantity(self).isGreaterThan(quantity('0'))",
                "must be a quantity above 0, such as 500m or 10",
            )
        ),
    ),
]
_COUNT_OR_PERCENT_RULE = Rule(
    "type(self) == int ? self >= 0 && self <= 10000 : self.matches('^[0-9]{1,3}%$')",
    "must be a number of replicas such as 1, or a percentage such as 25%",
)
_AT_MOST_ALL = Rule(
    "type(self) == int || !self.matches('^[0-9]{1,3}%$') || int(self.split('%')[0]) <= 100",
    "must be at most 100%",
)
_COUNT_OR_PERCENT = Field(min_length=1, max_length=5, pattern=r"^([0-9]{1,5}|[0-9]{1,3}%)$")
_INT_AS_STRING = BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)
IntOrPercent = Annotated[
    str,
    _INT_AS_STRING,
    _COUNT_OR_PERCENT,
    Field(json_schema_extra={"x-kubernetes-int-or-string": True} | cel_rules(_COUNT_OR_PERCENT_RULE)),
]
IntOrPercentUpTo100 = Annotated[
    str,
    _INT_AS_STRING,
    _COUNT_OR_PERCENT,
    Field(json_schema_extra={"x-kubernetes-int-or-string": True} | cel_rules(_COUNT_OR_PERCENT_RULE, _AT_MOST_ALL)),
]
_QUALIFIED_KEYS = Rule(
    "self.all(key, !format.qualifiedName().validate(key).hasValue())",
    "keys must be names such as example.com/name: an optional domain and '/', then at most 63 letters, digits, '-',"
    " '_' and '.'",
)
_RESERVED_DOMAINS = ("kubernetes.io", "k8s.io", "modelservice.dev", "argoproj.io", "fluxcd.io")
_UNRESERVED_KEYS = Rule(
    f"!self.exists(key, key.matches('^([^/]*[.])?({'|'.join(_RESERVED_DOMAINS).replace('.', '[.]')})/'))",
    f"keys of the domains {', '.join(_RESERVED_DOMAINS)} are reserved: use another domain",
)
_Text = Annotated[str, Field(max_length=4096)]
Annotations = Annotated[dict[str, _Text], Field(max_length=32, json_schema_extra=cel_rules(_QUALIFIED_KEYS))]
OwnAnnotations = Annotated[
    dict[str, _Text], Field(max_length=32, json_schema_extra=cel_rules(_QUALIFIED_KEYS, _UNRESERVED_KEYS))
]
OwnLabels = Annotated[
    dict[str, LabelValue], Field(max_length=64, json_schema_extra=cel_rules(_QUALIFIED_KEYS, _UNRESERVED_KEYS))
]
Selector = Annotated[dict[str, LabelValue], Field(max_length=64, json_schema_extra=cel_rules(_QUALIFIED_KEYS))]


class ApiModel(BaseModel):
    """Camel case outside, snake case inside; frozen; what is unknown was pruned by the API server."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")
