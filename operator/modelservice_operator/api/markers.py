"""What the schema is written with: CEL rules, list types, bounded primitives, and the base of every model.

Every string, list, map and number has a bound: the API server refuses CEL rules whose cost it cannot estimate
(KEP-2876). A pattern never reaches the user as a regular expression: it comes with a sentence.
"""

from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

PATTERN_SENTENCE = "x-sentence"
"""Key beside a pattern: what the user reads. The generator makes a CEL rule of the two."""
UPSTREAM = "x-upstream"
"""Key of a field that is passed through: the class of `api.upstream` that describes it."""


class Rule(NamedTuple):
    """A CEL rule, the sentence that a person reads when it does not hold, and the field below that is to blame."""

    rule: str
    message: str
    field: str = ""


def cel(*rules: Rule | tuple[str, str]) -> JsonDict:
    """Schema extension with CEL rules."""
    return {"x-kubernetes-validations": [_validation(Rule(*rule)) for rule in rules]}


def _validation(rule: Rule) -> JsonDict:
    validation: JsonDict = {"rule": rule.rule, "message": rule.message}
    return validation | ({"fieldPath": rule.field} if rule.field else {})


def matching(pattern: str, sentence: str, *, longest: int, rules: JsonDict | None = None) -> Any:  # noqa: ANN401
    r"""A string that is not empty and matches `pattern`; `sentence` says what to write instead.

    The pattern is read by the Rust regex crate here and by RE2 in the API server; both know `\p{C}`.
    """
    extra = {PATTERN_SENTENCE: sentence, **(rules or {})}
    return Field(min_length=1, max_length=longest, pattern=pattern, json_schema_extra=extra)


def dns_label(what: str, *, rules: JsonDict | None = None) -> Any:  # noqa: ANN401
    """The name of `what` inside of a pod (RFC 1123 label)."""
    sentence = (
        f"must be the name of a {what}: lower-case letters, digits and '-', beginning and ending with a letter or digit"
    )
    return matching("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", sentence, longest=63, rules=rules)


def list_map(*keys: str) -> JsonDict:
    """Schema extension: a list whose items are told apart by `keys`, so that several managers can share it."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def passed_through(upstream: str) -> JsonDict:
    """Schema extension: the API server knows the whole form, the operator takes it as it is."""
    return {UPSTREAM: upstream}


ATOMIC: JsonDict = {"x-kubernetes-list-type": "atomic"}
INT32: JsonDict = {"format": "int32"}
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NO_PARENT = ("!self.split('/').exists(part, part == '..')", "must not contain '..': name the folder itself")

Port = Annotated[int, Field(ge=1, le=65535, json_schema_extra=INT32)]
Count = Annotated[int, Field(ge=0, le=10_000, json_schema_extra=INT32)]
PositiveCount = Annotated[int, Field(ge=1, le=10_000, json_schema_extra=INT32)]
Seconds = Annotated[int, Field(ge=0, le=86_400, json_schema_extra=INT32)]
PositiveSeconds = Annotated[int, Field(ge=1, le=86_400, json_schema_extra=INT32)]
ObjectName = Annotated[
    str,
    matching(
        f"^{_SUBDOMAIN}$",
        "must be the name of an object: lower-case letters, digits, '-' and '.', beginning and ending with a letter"
        " or digit",
        longest=253,
    ),
]
ImageReference = Annotated[
    str,
    matching(
        "^[A-Za-z0-9][-A-Za-z0-9._:/@]*$",
        "must be an image reference without spaces, such as registry.example.com/iris-server:1.4",
        longest=1024,
    ),
]
AbsolutePath = Annotated[
    str,
    matching(
        r"^/[^\p{C}]*$",
        "must be an absolute path without control characters: begin with '/'",
        longest=1024,
        rules=cel(_NO_PARENT),
    ),
]
MountPath = Annotated[
    str,
    matching(
        r"^/[^\p{C}:]*$",
        "must be an absolute path without ':' and control characters: begin with '/'",
        longest=1024,
        rules=cel(_NO_PARENT, ("!(self in ['/', '/tmp', '/tmp/'])", "/ and /tmp are taken: choose another path")),
    ),
]
RelativePath = Annotated[
    str,
    matching(
        r"^[^/\p{C}][^\p{C}]*$",
        "must be a relative path without control characters: do not begin with '/'",
        longest=1024,
        rules=cel(("!self.split('/').exists(part, part == '..')", "must be relative, without '..'")),
    ),
]
RequestPath = Annotated[
    str,
    matching(r"^/[^\s\p{C}]*$", "must be a path such as /health: begin with '/', use no spaces", longest=1024),
]
RoutePath = Annotated[
    str,
    matching(
        r"^/([-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*$",
        "must be a path such as /iris: begin with '/', percent-encode what is no letter or digit (RFC 3986)",
        longest=1024,
        rules=cel(
            (
                r"!self.matches('//|/[.]{1,2}(/|$)|%2[fF]')",
                "must not contain '//', '/./', '/../' or an encoded slash: write the path that is meant",
            )
        ),
    ),
]
QualifiedName = Annotated[
    str,
    matching(
        f"^({_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$",
        "must be a name such as example.com/name: an optional domain and '/', then at most 63 letters, digits, '-',"
        " '_' and '.'",
        longest=316,
    ),
]
LabelValue = Annotated[
    str,
    Field(
        max_length=63,
        pattern="^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        json_schema_extra={
            PATTERN_SENTENCE: "must be a label value: at most 63 letters, digits, '-', '_' and '.', beginning and"
            " ending with a letter or digit"
        },
    ),
]
HostName = Annotated[
    str,
    matching(
        rf"^([*][.])?{_SUBDOMAIN}$",
        "must be a host name such as iris.example.com, or with a wildcard *.example.com",
        longest=253,
    ),
]
_AMOUNT = r"^([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2}|[mkMGTPE]|[KMGTPE]i)?$"
Quantity = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    Field(
        min_length=1,
        max_length=64,
        pattern=_AMOUNT,
        json_schema_extra={"x-kubernetes-int-or-string": True}
        | cel(
            (
                f"type(self) == int ? self >= 0 : self.matches(r'{_AMOUNT}')",
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
        pattern=_AMOUNT,
        json_schema_extra={"x-kubernetes-int-or-string": True}
        | cel(
            Rule(
                f"type(self) == int ? self > 0 : self.matches(r'{_AMOUNT}')"
                " && quantity(self).isGreaterThan(quantity('0'))",
                "must be a quantity above 0, such as 500m or 10",
            )
        ),
    ),
]
_NUMBER_OR_SHARE = Rule(
    "type(self) == int ? self >= 0 && self <= 10000 : self.matches('^[0-9]{1,3}%$')",
    "must be a number of replicas such as 1, or a share such as 25%",
)
_AT_MOST_ALL = Rule(
    "type(self) == int || !self.matches('^[0-9]{1,3}%$') || int(self.split('%')[0]) <= 100",
    "must be at most 100%",
)
_COUNT_OR_PERCENT = Field(min_length=1, max_length=5, pattern=r"^([0-9]{1,5}|[0-9]{1,3}%)$")
_TEXT = BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)
IntOrPercent = Annotated[
    str,
    _TEXT,
    _COUNT_OR_PERCENT,
    Field(json_schema_extra={"x-kubernetes-int-or-string": True} | cel(_NUMBER_OR_SHARE)),
]
IntOrPortion = Annotated[
    str,
    _TEXT,
    _COUNT_OR_PERCENT,
    Field(json_schema_extra={"x-kubernetes-int-or-string": True} | cel(_NUMBER_OR_SHARE, _AT_MOST_ALL)),
]
_QUALIFIED_KEYS = Rule(
    "self.all(key, !format.qualifiedName().validate(key).hasValue())",
    "keys must be names such as example.com/name: an optional domain and '/', then at most 63 letters, digits, '-',"
    " '_' and '.'",
)
_RESERVED_DOMAINS = ("kubernetes.io", "k8s.io", "modelservice.dev", "argoproj.io", "fluxcd.io")
_UNRESERVED_KEYS = Rule(
    f"!self.exists(key, key.matches('^([^/]*[.])?({'|'.join(_RESERVED_DOMAINS).replace('.', '[.]')})/'))",
    f"keys of the domains {', '.join(_RESERVED_DOMAINS)} are reserved: choose a domain of your own",
)
_Text = Annotated[str, Field(max_length=4096)]
Annotations = Annotated[dict[str, _Text], Field(max_length=32, json_schema_extra=cel(_QUALIFIED_KEYS))]
OwnAnnotations = Annotated[
    dict[str, _Text], Field(max_length=32, json_schema_extra=cel(_QUALIFIED_KEYS, _UNRESERVED_KEYS))
]
OwnLabels = Annotated[
    dict[str, LabelValue], Field(max_length=64, json_schema_extra=cel(_QUALIFIED_KEYS, _UNRESERVED_KEYS))
]
Selector = Annotated[dict[str, LabelValue], Field(max_length=64, json_schema_extra=cel(_QUALIFIED_KEYS))]


class ApiModel(BaseModel):
    """Camel case outside, snake case inside; frozen; what is unknown was pruned by the API server."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")
