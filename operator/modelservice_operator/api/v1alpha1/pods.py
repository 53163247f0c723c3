"""Pod settings: resources, identity and placement."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from modelservice_operator.api.markers import (
    SET,
    ApiModel,
    Rule,
    cel_rules,
    dns_label,
    list_map,
    string_with_pattern,
    upstream_schema,
)
from modelservice_operator.api.primitives import (
    Amount,
    LabelValue,
    ObjectName,
    PositiveCount,
    QualifiedName,
    Quantity,
    Seconds,
)

ClaimName = Annotated[str, dns_label("claim")]
_HUGE_PAGES = (
    "hugepages-64Ki",
    "hugepages-2Mi",
    "hugepages-32Mi",
    "hugepages-512Mi",
    "hugepages-1Gi",
    "hugepages-16Gi",
)
"""Sizes of x86-64 and arm64."""
_KINDS_OF_RESOURCES = Rule(
    f"self.all(name, name in {['cpu', 'memory', 'ephemeral-storage', *_HUGE_PAGES]}"
    " || (name.contains('/') && !name.startsWith('kubernetes.io/')"
    " && !format.qualifiedName().validate(name).hasValue()))",
    "must be cpu, memory, ephemeral-storage, hugepages such as hugepages-2Mi, or a device such as nvidia.com/gpu",
)
_HUGE_PAGES_RULES = (
    Rule(
        f"!has(self.requests) || {list(_HUGE_PAGES)}.all(name, !(name in self.requests)"
        " || (has(self.limits) && name in self.limits))",
        "hugepages cannot be overcommitted: set the same request and limit",
    ),
    Rule(
        f"!has(self.limits) || !{list(_HUGE_PAGES)}.exists(name, name in self.limits)"
        " || 'cpu' in self.limits || 'memory' in self.limits"
        " || (has(self.requests) && ('cpu' in self.requests || 'memory' in self.requests))",
        "hugepages require CPU or memory: set resources.requests.memory",
    ),
)
Amounts = Annotated[dict[str, Amount], Field(max_length=8, json_schema_extra=cel_rules(_KINDS_OF_RESOURCES))]
OtherAmounts = Annotated[dict[str, Quantity], Field(max_length=8, json_schema_extra=cel_rules(_KINDS_OF_RESOURCES))]
_COMPARED = (
    "!has(self.requests) || !has(self.limits) || ['cpu', 'memory'].all(name, !(name in self.requests)"
    " || !(name in self.limits)"
    " || !isQuantity(string(self.requests[name])) || !isQuantity(string(self.limits[name]))"
    " || !quantity(string(self.requests[name])).isGreaterThan(quantity(string(self.limits[name]))))"
)


class ResourceClaimRequest(ApiModel):
    """A device of a resource claim that the container uses (core/v1 ResourceClaim)."""

    # A rule of the spec checks that it exists.
    name: Annotated[str, Field(min_length=1, max_length=63)] = Field(
        description="Name in spec.resourceClaims.", examples=["gpu"]
    )
    request: ClaimName | None = Field(
        default=None,
        description="Request in the claim whose devices are used. Defaults to all.",
        examples=["gpu"],
    )


class ResourceRequirements(ApiModel):
    """CPU, memory and devices of the model container."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            *_HUGE_PAGES_RULES,
            Rule(_COMPARED, "a request must not be greater than its limit: raise the limit or lower the request"),
        )
    )
    requests: Amounts | None = Field(
        default=None,
        description="Minimum amounts, reserved by the scheduler.",
        examples=[{"cpu": "500m", "memory": "512Mi"}],
    )
    limits: Amounts | None = Field(
        default=None, description="Maximum amounts that the container may use.", examples=[{"memory": "1Gi"}]
    )
    claims: Annotated[list[ResourceClaimRequest], Field(max_length=8, json_schema_extra=list_map("name"))] | None = (
        Field(
            default=None,
            description="Devices of spec.resourceClaims that the container uses (dynamic resource allocation, enabled"
            " by default since Kubernetes 1.34).",
            examples=[[{"name": "gpu"}]],
        )
    )


class OtherResources(ApiModel):
    """CPU and memory of a container other than the model container.

    The policy in manifests/components/policies/resources.yaml has the rules that compare quantities: they would exceed
    the limit for the estimated cost of a schema before Kubernetes 1.34.
    """

    requests: OtherAmounts | None = Field(
        default=None,
        description="Minimum amounts, reserved by the scheduler.",
        examples=[{"cpu": "100m", "memory": "128Mi"}],
    )
    limits: OtherAmounts | None = Field(
        default=None, description="Maximum amounts that the container may use.", examples=[{"memory": "1Gi"}]
    )


class PodResourceClaim(ApiModel):
    """A claim of devices for the pods (core/v1 PodResourceClaim)."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "has(self.resourceClaimName) != has(self.resourceClaimTemplateName)",
                "set exactly one of resourceClaimName and resourceClaimTemplateName",
            )
        )
    )
    name: ClaimName = Field(description="Name of the claim in resources.claims.", examples=["gpu"])
    resource_claim_name: ObjectName | None = Field(
        default=None, description="ResourceClaim that all pods share.", examples=["shared-gpu"]
    )
    resource_claim_template_name: ObjectName | None = Field(
        default=None,
        description="ResourceClaimTemplate from which each pod gets a claim.",
        examples=["one-gpu"],
    )


ResourceClaims = Annotated[list[PodResourceClaim], Field(max_length=8, json_schema_extra=list_map("name"))]
POD_RULES = (
    Rule(
        "!has(self.automountServiceAccountToken) || !self.automountServiceAccountToken || has(self.serviceAccountName)",
        "automountServiceAccountToken requires serviceAccountName: name the account whose token is mounted",
        ".automountServiceAccountToken",
    ),
    Rule(
        "!has(self.resources) || !has(self.resources.claims) || self.resources.claims.all(claim,"
        " has(self.resourceClaims) && self.resourceClaims.exists(one, one.name == claim.name))",
        "each name in resources.claims must be a name in resourceClaims: add it there",
        ".resources.claims",
    ),
)
"""Rules of the spec about claims and the ServiceAccount, whose use requires a permission (admission policy)."""


class Toleration(ApiModel):
    """Toleration of a taint (core/v1 Toleration)."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
                "a toleration without a key matches every taint: set operator to Exists, or set key",
            ),
            (
                "!has(self.value) || self.value == '' || !has(self.operator) || self.operator != 'Exists'",
                "operator Exists must not have a value: remove value, or set operator to Equal",
            ),
            (
                "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                "tolerationSeconds requires effect NoExecute: set effect, or remove tolerationSeconds",
            ),
        )
    )
    key: QualifiedName | None = Field(
        default=None, description="Key of the taint. If not set, every key matches.", examples=["nvidia.com/gpu"]
    )
    operator: Literal["Exists", "Equal"] | None = Field(
        default=None, description="Comparison of the value. Defaults to Equal.", examples=["Exists"]
    )
    value: LabelValue | None = Field(default=None, description="Value of the taint.", examples=["serving"])
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint. If not set, every effect matches.", examples=["NoSchedule"]
    )
    toleration_seconds: Seconds | None = Field(
        default=None,
        description="Seconds for which NoExecute is tolerated. If not set, it is tolerated forever.",
        examples=[300],
    )


MatchLabelKeys = Annotated[
    list[QualifiedName],
    Field(
        max_length=8,
        json_schema_extra=SET
        | cel_rules(
            Rule(
                "!self.exists(key, key in ['app.kubernetes.io/name', 'app.kubernetes.io/instance'])",
                "app.kubernetes.io/name and app.kubernetes.io/instance select the pods already: remove them",
            )
        ),
    ),
]


class TopologySpread(ApiModel):
    """Spread of the ModelService's pods over a topology domain (core/v1 TopologySpreadConstraint)."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "!has(self.minDomains) || self.whenUnsatisfiable == 'DoNotSchedule'",
                "minDomains requires whenUnsatisfiable DoNotSchedule: change it, or remove minDomains",
            )
        )
    )

    max_skew: PositiveCount = Field(
        description="Maximum difference in the number of pods between two domains.", examples=[1]
    )
    topology_key: QualifiedName = Field(
        description="Node label that identifies the domains.", examples=["topology.kubernetes.io/zone"]
    )
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="Handling of a pod that would violate the constraint.", examples=["ScheduleAnyway"]
    )
    min_domains: PositiveCount | None = Field(
        default=None,
        description="Number of domains below which the minimum counts as 0. Requires DoNotSchedule.",
        examples=[3],
    )
    match_label_keys: MatchLabelKeys | None = Field(
        default=None,
        description="Labels of the pod whose values select the pods to count, such as pod-template-hash for those of"
        " one revision.",
        examples=[["pod-template-hash"]],
    )
    node_affinity_policy: Literal["Honor", "Ignore"] | None = Field(
        default=None,
        description="Honor counts only nodes that match nodeSelector and affinity. Defaults to Honor.",
        examples=["Ignore"],
    )
    node_taints_policy: Literal["Honor", "Ignore"] | None = Field(
        default=None,
        description="Honor counts only nodes whose taints are tolerated. Defaults to Ignore.",
        examples=["Honor"],
    )


_INT64: JsonDict = {"format": "int64"}
UserId = Annotated[
    int,
    Field(
        ge=0,
        le=2_147_483_647,
        json_schema_extra=_INT64
        | cel_rules(
            Rule(
                "self != 0",
                "containers must not run as root: set another UID, such as 1000. Most images that were built for root"
                " run as any user if the directories that they write to are mounts, or with writableRootFilesystem",
            )
        ),
    ),
]
GroupId = Annotated[int, Field(ge=0, le=2_147_483_647, json_schema_extra=_INT64)]
Affinity = Annotated[dict[str, Any], Field(json_schema_extra=upstream_schema("Affinity"))]
SchedulerName = Annotated[
    str,
    string_with_pattern(
        "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        "must be the name of a scheduler such as volcano: lower-case letters, digits, '-' and '.'",
        max_length=253,
    ),
]
