"""Named string, number and map types of the API, each with bounds and a message."""

from typing import Annotated

from pydantic import Field

from modelservice_operator.api.markers import (
    INT32,
    INT_AS_STRING,
    PATTERN_MESSAGE,
    Rule,
    amount,
    cel_rules,
    int_or_percent,
    positive_quantity,
    quantity,
    string_with_pattern,
)

_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NO_PARENT_SEGMENTS = (
    r"!self.matches('(^|/)[.][.](/|$)')",
    "must not contain '..': write the path of the directory itself",
)
ROUTE_PATH_PATTERN = r"^/([-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*$"
UNNORMALIZED_PATH_PATTERN = "//|/[.]{1,2}(/|$)|%2[fF]"

Port = Annotated[int, Field(ge=1, le=65535, json_schema_extra=INT32)]
PortOrName = Annotated[
    str,
    INT_AS_STRING,
    Field(
        min_length=1,
        max_length=15,
        pattern="^[a-z0-9]+(-[a-z0-9]+)*$",
        json_schema_extra={"x-kubernetes-int-or-string": True, "minimum": 1, "maximum": 65535},
    ),
]
"""Number of a port, or its name. The rules of the holder check that the name exists."""
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
            _NO_PARENT_SEGMENTS, ("self != '/'", "the root directory belongs to the image: mount a directory below it")
        ),
    ),
]
RelativePath = Annotated[
    str,
    string_with_pattern(
        r"^[^/\p{C}][^\p{C}]*$",
        "must be a relative path without control characters: do not begin with '/'",
        max_length=1024,
        rules=cel_rules((r"!self.matches('(^|/)[.][.](/|$)')", "must be relative, without '..'")),
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
        ROUTE_PATH_PATTERN,
        "must be a path such as /iris: begin with '/', percent-encode other characters than letters and digits (RFC"
        " 3986)",
        max_length=1024,
        rules=cel_rules(
            (
                f"!self.matches('{UNNORMALIZED_PATH_PATTERN}')",
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
Quantity = Annotated[str, INT_AS_STRING, quantity()]
PositiveQuantity = Annotated[str, INT_AS_STRING, positive_quantity()]
Amount = Annotated[str, INT_AS_STRING, amount()]
"""A quantity with a message, for fields that users often write."""
IntOrPercent = Annotated[str, INT_AS_STRING, int_or_percent(max_percent=999)]
IntOrPercentUpTo100 = Annotated[str, INT_AS_STRING, int_or_percent(max_percent=100)]
_QUALIFIED_KEYS = Rule(
    "self.all(key, !format.qualifiedName().validate(key).hasValue())",
    "keys must be names such as example.com/name: an optional domain and '/', then at most 63 letters, digits, '-',"
    " '_' and '.'",
)
_RESERVED_DOMAINS = ("kubernetes.io", "k8s.io", "modelservice.dev", "argoproj.io", "fluxcd.io")
HARMLESS_LABELS = ("app.kubernetes.io/component", "app.kubernetes.io/version")
HARMLESS_ANNOTATIONS = (
    "cluster-autoscaler.kubernetes.io/safe-to-evict",
    "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes",
    "controller.kubernetes.io/pod-deletion-cost",
    "kubectl.kubernetes.io/default-container",
    "kubectl.kubernetes.io/default-logs-container",
    "kubernetes.io/egress-bandwidth",
    "kubernetes.io/ingress-bandwidth",
)
"""Keys of reserved domains that users set on pods, for other components of the cluster."""


def _unreserved_keys(*harmless: str) -> Rule:
    """Return a rule against keys of domains that controllers use, except the `harmless` ones."""
    domains = "|".join(_RESERVED_DOMAINS).replace(".", "[.]")
    return Rule(
        f"self.all(key, key in {list(harmless)} || !key.matches('^([^/]*[.])?({domains})/'))",
        f"keys of the domains {', '.join(_RESERVED_DOMAINS)} are reserved: use another domain (allowed are"
        f" {', '.join(harmless)})",
    )


_Text = Annotated[str, Field(max_length=4096)]
Annotations = Annotated[dict[str, _Text], Field(max_length=32, json_schema_extra=cel_rules(_QUALIFIED_KEYS))]
OwnAnnotations = Annotated[
    dict[str, _Text],
    Field(max_length=32, json_schema_extra=cel_rules(_QUALIFIED_KEYS, _unreserved_keys(*HARMLESS_ANNOTATIONS))),
]
OwnLabels = Annotated[
    dict[str, LabelValue],
    Field(max_length=64, json_schema_extra=cel_rules(_QUALIFIED_KEYS, _unreserved_keys(*HARMLESS_LABELS))),
]
Selector = Annotated[dict[str, LabelValue], Field(max_length=64, json_schema_extra=cel_rules(_QUALIFIED_KEYS))]
