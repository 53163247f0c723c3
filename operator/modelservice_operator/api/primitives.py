"""Named string, number and map types of the API, each with bounds and a message."""

from typing import Annotated

from pydantic import Field

from modelservice_operator.api.markers import (
    INT32,
    INT_AS_STRING,
    PATTERN_MESSAGE,
    QUANTITY_PATTERN,
    Rule,
    cel_rules,
    int_or_percent,
    quantity,
    string_with_pattern,
)

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
Quantity = Annotated[
    str,
    INT_AS_STRING,
    quantity(
        Rule(
            f"type(self) == int ? self >= 0 : self.matches(r'{QUANTITY_PATTERN}')",
            "must be a quantity of at least 0, such as 500m, 2 or 1.5Gi",
        )
    ),
]
PositiveQuantity = Annotated[
    str,
    INT_AS_STRING,
    quantity(
        Rule(
            f"type(self) == int ? self > 0 : self.matches(r'{QUANTITY_PATTERN}')"
            " && quantity(self).isGreaterThan(quantity('0'))",
            "must be a quantity above 0, such as 500m or 10",
        )
    ),
]
IntOrPercent = Annotated[str, INT_AS_STRING, int_or_percent()]
IntOrPercentUpTo100 = Annotated[
    str,
    INT_AS_STRING,
    int_or_percent(
        Rule(
            "type(self) == int || !self.matches('^[0-9]{1,3}%$') || int(self.split('%')[0]) <= 100",
            "must be at most 100%",
        )
    ),
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
