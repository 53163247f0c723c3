"""Forms of Kubernetes that the operator passes through: affinity, metrics and behaviour of an autoscaler.

The generator of the CRD reads these classes; the running operator never imports them. They say what upstream says, in
fewer words, and leave out what names another namespace.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.markers import (
    ATOMIC,
    INT32,
    ApiModel,
    LabelValue,
    ObjectName,
    PositiveQuantity,
    QualifiedName,
    Quantity,
    Rule,
    Selector,
    cel_rules,
    dns_label,
    string_with_pattern,
)

_SELECTOR_EXAMPLE = {"matchLabels": {"app": "gateway"}}
_TERM_EXAMPLE = {"topologyKey": "kubernetes.io/hostname", "labelSelector": _SELECTOR_EXAMPLE}
_ZONES_EXAMPLE = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a", "b"]}
Weight = Annotated[int, Field(ge=1, le=100, json_schema_extra=INT32)]
Keys = Annotated[list[QualifiedName], Field(max_length=16, json_schema_extra=ATOMIC)]
Values = Annotated[list[LabelValue], Field(max_length=64, json_schema_extra=ATOMIC)]


def _needs_values(operators: str, valueless: str) -> ConfigDict:
    rules = cel_rules(
        (
            f"!(self.operator in [{operators}]) || (has(self.values) && self.values.size() > 0)",
            "this operator compares with values: name at least one",
        ),
        (
            f"!(self.operator in [{valueless}]) || !has(self.values) || self.values.size() == 0",
            "this operator looks at no values: remove them",
        ),
    )
    return ConfigDict(json_schema_extra=rules)


class LabelRequirement(ApiModel):
    """What one label must be."""

    model_config = _needs_values("'In', 'NotIn'", "'Exists', 'DoesNotExist'")
    key: QualifiedName = Field(description="Key of the label.", examples=["app"])
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="How the label is compared.", examples=["In"]
    )
    values: Values | None = Field(
        default=None, description="Values to compare with; none for Exists and DoesNotExist.", examples=[["gateway"]]
    )


class LabelSelector(ApiModel):
    """Which labels an object must have; all requirements together."""

    match_labels: Selector | None = Field(
        default=None, description="Labels and the values that they must have.", examples=[{"app": "gateway"}]
    )
    match_expressions: Annotated[list[LabelRequirement], Field(max_length=16, json_schema_extra=ATOMIC)] | None = Field(
        default=None,
        description="Requirements that labels must meet.",
        examples=[[{"key": "app", "operator": "In", "values": ["gateway"]}]],
    )


class NodeRequirement(ApiModel):
    """What one label of a node must be."""

    model_config = _needs_values("'In', 'NotIn', 'Gt', 'Lt'", "'Exists', 'DoesNotExist'")
    key: QualifiedName = Field(description="Key of the label.", examples=[_ZONES_EXAMPLE["key"]])
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="How it is compared.", examples=["In"]
    )
    values: Values | None = Field(
        default=None,
        description="Values to compare with; one number for Gt and Lt, none for Exists and DoesNotExist.",
        examples=[["a", "b"]],
    )


class FieldRequirement(ApiModel):
    """What one field of a node must be."""

    key: Literal["metadata.name"] = Field(description="Name of the field.", examples=["metadata.name"])
    operator: Literal["In", "NotIn"] = Field(description="How it is compared.", examples=["In"])
    values: list[ObjectName] = Field(
        min_length=1,
        max_length=1,
        description="The one value to compare with.",
        examples=[["node-1"]],
        json_schema_extra=ATOMIC,
    )


class NodeTerm(ApiModel):
    """Which node fits; all requirements together."""

    match_expressions: Annotated[list[NodeRequirement], Field(max_length=16, json_schema_extra=ATOMIC)] | None = Field(
        default=None, description="Requirements that labels of the node must meet.", examples=[[_ZONES_EXAMPLE]]
    )
    match_fields: Annotated[list[FieldRequirement], Field(max_length=16, json_schema_extra=ATOMIC)] | None = Field(
        default=None,
        description="Requirements that fields of the node must meet.",
        examples=[[{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]],
    )


class NodeTerms(ApiModel):
    """Which nodes fit: one of the terms."""

    node_selector_terms: list[NodeTerm] = Field(
        min_length=1,
        max_length=16,
        description="A node fits when one of these does.",
        examples=[[{"matchExpressions": [_ZONES_EXAMPLE]}]],
        json_schema_extra=ATOMIC,
    )


class PreferredNode(ApiModel):
    """A wish for nodes."""

    weight: Weight = Field(description="How much it counts.", examples=[50])
    preference: NodeTerm = Field(description="Which node is better.", examples=[{"matchExpressions": [_ZONES_EXAMPLE]}])


class NodeAffinity(ApiModel):
    """Which nodes the pods go to."""

    required_during_scheduling_ignored_during_execution: NodeTerms | None = Field(
        default=None,
        description="Nodes that the pods may go to.",
        examples=[{"nodeSelectorTerms": [{"matchExpressions": [_ZONES_EXAMPLE]}]}],
    )
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[list[PreferredNode], Field(max_length=16, json_schema_extra=ATOMIC)] | None
    ) = Field(
        default=None,
        description="Nodes that the pods had rather go to.",
        examples=[[{"weight": 50, "preference": {"matchExpressions": [_ZONES_EXAMPLE]}}]],
    )


class PodTerm(ApiModel):
    """Pods of the same namespace, and how near is near."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "has(self.labelSelector) || !(has(self.matchLabelKeys) || has(self.mismatchLabelKeys))",
                "matchLabelKeys and mismatchLabelKeys need a labelSelector: add one, or remove them",
            )
        )
    )
    topology_key: QualifiedName = Field(
        description="Label of the nodes: pods are near when their nodes have the same value.",
        examples=["kubernetes.io/hostname"],
    )
    label_selector: LabelSelector | None = Field(
        default=None, description="Which pods of the namespace are meant.", examples=[_SELECTOR_EXAMPLE]
    )
    match_label_keys: Keys | None = Field(
        default=None,
        description="Labels that those pods must share with this one.",
        examples=[["pod-template-hash"]],
    )
    mismatch_label_keys: Keys | None = Field(
        default=None, description="Labels in which those pods must differ from this one.", examples=[["tenant"]]
    )


class PreferredPod(ApiModel):
    """A wish for neighbours."""

    weight: Weight = Field(description="How much it counts.", examples=[50])
    pod_affinity_term: PodTerm = Field(description="Which neighbours are meant.", examples=[_TERM_EXAMPLE])


class PodAffinity(ApiModel):
    """Which neighbours the pods have, or do not have."""

    required_during_scheduling_ignored_during_execution: (
        Annotated[list[PodTerm], Field(max_length=16, json_schema_extra=ATOMIC)] | None
    ) = Field(default=None, description="What must hold.", examples=[[_TERM_EXAMPLE]])
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[list[PreferredPod], Field(max_length=16, json_schema_extra=ATOMIC)] | None
    ) = Field(
        default=None,
        description="What is wished for.",
        examples=[[{"weight": 50, "podAffinityTerm": _TERM_EXAMPLE}]],
    )


class Affinity(ApiModel):
    """Where the pods go (core/v1 Affinity, without the fields that name other namespaces)."""

    node_affinity: NodeAffinity | None = Field(
        default=None,
        description="Which nodes the pods go to.",
        examples=[
            {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [_ZONES_EXAMPLE]}]
                }
            }
        ],
    )
    pod_affinity: PodAffinity | None = Field(
        default=None,
        description="Pods to be near to.",
        examples=[{"requiredDuringSchedulingIgnoredDuringExecution": [_TERM_EXAMPLE]}],
    )
    pod_anti_affinity: PodAffinity | None = Field(
        default=None,
        description="Pods not to be near to.",
        examples=[{"requiredDuringSchedulingIgnoredDuringExecution": [_TERM_EXAMPLE]}],
    )


_BY_TYPE = "set exactly the field that type names: {names}"
_AVERAGE_TEXT = "Value for each pod."


class PodsTarget(ApiModel):
    """What an autoscaler aims at: a value for each pod."""

    type: Literal["AverageValue"] = Field(description="Which of the other fields is set.", examples=["AverageValue"])
    average_value: PositiveQuantity = Field(description=_AVERAGE_TEXT, examples=["10"])


class ResourceTarget(ApiModel):
    """What an autoscaler aims at: a share of the requests, or a value for each pod."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            Rule(
                "has(self.averageValue) == (self.type == 'AverageValue')"
                " && has(self.averageUtilization) == (self.type == 'Utilization')",
                _BY_TYPE.format(names="averageValue or averageUtilization"),
            )
        )
    )
    type: Literal["Utilization", "AverageValue"] = Field(
        description="Which of the other fields is set.", examples=["AverageValue"]
    )
    average_value: PositiveQuantity | None = Field(default=None, description=_AVERAGE_TEXT, examples=["10"])
    average_utilization: Annotated[int, Field(ge=1, le=10_000, json_schema_extra=INT32)] | None = Field(
        default=None, description="Share of the request of each pod, in percent.", examples=[80]
    )


class ObjectTarget(ApiModel):
    """What an autoscaler aims at: a value, as it is or for each pod."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            Rule(
                "has(self.value) == (self.type == 'Value') && has(self.averageValue) == (self.type == 'AverageValue')",
                _BY_TYPE.format(names="value or averageValue"),
            )
        )
    )
    type: Literal["Value", "AverageValue"] = Field(
        description="Which of the other fields is set.", examples=["AverageValue"]
    )
    value: PositiveQuantity | None = Field(default=None, description="Value of the metric.", examples=["100"])
    average_value: PositiveQuantity | None = Field(default=None, description=_AVERAGE_TEXT, examples=["10"])


class MetricName(ApiModel):
    """Which metric."""

    name: Annotated[
        str,
        string_with_pattern(
            r"^[^/%.\s\p{C}][^/%\s\p{C}]*$",
            "must be the name of a metric: no spaces, '/' and '%', and no '.' in front",
            max_length=253,
        ),
    ] = Field(description="Name of the metric.", examples=["requests_per_second"])
    selector: LabelSelector | None = Field(
        default=None, description="Which series of the metric.", examples=[{"matchLabels": {"verb": "POST"}}]
    )


_RATE = {"name": "requests_per_second"}
_AVERAGE = {"type": "AverageValue", "averageValue": "10"}
_USE = {"type": "Utilization", "averageUtilization": 80}


class ResourceMetric(ApiModel):
    """CPU or memory of whole pods."""

    name: Literal["cpu", "memory"] = Field(description="Which resource.", examples=["cpu"])
    target: ResourceTarget = Field(description="What to aim at.", examples=[_USE])


class ContainerMetric(ResourceMetric):
    """CPU or memory of one container."""

    container: Annotated[str, dns_label("container")] = Field(
        description="Name of the container; the server's is model.", examples=["model"]
    )


class PodsMetric(ApiModel):
    """A metric of each pod."""

    metric: MetricName = Field(description="Which metric.", examples=[_RATE])
    target: PodsTarget = Field(description="What to aim at.", examples=[_AVERAGE])


class ExternalMetric(ApiModel):
    """A metric from outside of the cluster."""

    metric: MetricName = Field(description="Which metric.", examples=[_RATE])
    target: ObjectTarget = Field(description="What to aim at.", examples=[_AVERAGE])


class ObjectReference(ApiModel):
    """An object of the same namespace."""

    api_version: (
        Annotated[
            str,
            string_with_pattern(
                "^([a-z0-9][-a-z0-9.]*/)?v[0-9][0-9a-z]*$",
                "must be a group and version such as networking.k8s.io/v1",
                max_length=316,
            ),
        ]
        | None
    ) = Field(default=None, description="Group and version.", examples=["networking.k8s.io/v1"])
    kind: Annotated[
        str,
        string_with_pattern(
            "^[A-Za-z][A-Za-z0-9]*$", "must be a kind such as Ingress, of letters and digits", max_length=63
        ),
    ] = Field(description="Kind of the object.", examples=["Ingress"])
    name: ObjectName = Field(description="Name, in the namespace of the ModelService.", examples=["iris"])


class ObjectMetric(ExternalMetric):
    """A metric of another object."""

    described_object: ObjectReference = Field(
        description="Which object.",
        examples=[{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "iris"}],
    )


_SOURCES = ("resource", "containerResource", "pods", "object", "external")


class MetricSpec(ApiModel):
    """A metric of an autoscaler (autoscaling/v2 MetricSpec)."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                " && ".join(f"has(self.{name}) == (self.type == '{name[0].upper()}{name[1:]}')" for name in _SOURCES),
                f"set exactly the block that type names: {', '.join(_SOURCES[:-1])} or {_SOURCES[-1]}",
            )
        )
    )
    type: Literal["Resource", "ContainerResource", "Pods", "Object", "External"] = Field(
        description="Which of the other fields is set.", examples=["Pods"]
    )
    resource: ResourceMetric | None = Field(
        default=None, description="CPU or memory of whole pods.", examples=[{"name": "cpu", "target": _USE}]
    )
    container_resource: ContainerMetric | None = Field(
        default=None,
        description="CPU or memory of one container.",
        examples=[{"name": "cpu", "container": "model", "target": _USE}],
    )
    pods: PodsMetric | None = Field(
        default=None, description="A metric of each pod.", examples=[{"metric": _RATE, "target": _AVERAGE}]
    )
    object: ObjectMetric | None = Field(
        default=None,
        description="A metric of another object of the namespace.",
        examples=[
            {
                "describedObject": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "iris"},
                "metric": _RATE,
                "target": {"type": "Value", "value": "100"},
            }
        ],
    )
    external: ExternalMetric | None = Field(
        default=None,
        description="A metric from outside of the cluster.",
        examples=[{"metric": {"name": "queue_length"}, "target": {"type": "AverageValue", "averageValue": "30"}}],
    )


class Policy(ApiModel):
    """One bound of the speed."""

    type: Literal["Pods", "Percent"] = Field(description="Whether value counts pods or percent.", examples=["Pods"])
    value: Annotated[int, Field(ge=1, le=10_000, json_schema_extra=INT32)] = Field(
        description="Largest change within the period.", examples=[2]
    )
    period_seconds: Annotated[int, Field(ge=1, le=1800, json_schema_extra=INT32)] = Field(
        description="Length of the period.", examples=[60]
    )


class ScalingRules(ApiModel):
    """Speed in one direction."""

    stabilization_window_seconds: Annotated[int, Field(ge=0, le=3600, json_schema_extra=INT32)] | None = Field(
        default=None, description="How far back the autoscaler looks, so that it does not waver.", examples=[60]
    )
    select_policy: Literal["Max", "Min", "Disabled"] | None = Field(
        default=None, description="Which policy holds: the fastest, the slowest, or none at all.", examples=["Max"]
    )
    policies: Annotated[list[Policy], Field(min_length=1, max_length=8, json_schema_extra=ATOMIC)] | None = Field(
        default=None,
        description="Bounds of the speed.",
        examples=[[{"type": "Pods", "value": 2, "periodSeconds": 60}]],
    )
    tolerance: Quantity | None = Field(
        default=None, description="Deviation from the target that is left alone, as a share.", examples=["0.05"]
    )


class Behavior(ApiModel):
    """Speed of an autoscaler (autoscaling/v2 HorizontalPodAutoscalerBehavior)."""

    scale_up: ScalingRules | None = Field(
        default=None,
        description="Speed of adding replicas.",
        examples=[{"policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}],
    )
    scale_down: ScalingRules | None = Field(
        default=None, description="Speed of removing replicas.", examples=[{"stabilizationWindowSeconds": 60}]
    )
