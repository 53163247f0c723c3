"""Types of Kubernetes that the operator copies unchanged: affinity, and metrics and behavior of an autoscaler.

Only the CRD generator uses these classes; a running operator never imports them. Descriptions are shorter than those of
Kubernetes, and fields that reference another namespace are omitted.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.markers import (
    ATOMIC,
    INT32,
    SET,
    ApiModel,
    Rule,
    cel_rules,
    dns_label,
    string_with_pattern,
)
from modelservice_operator.api.primitives import (
    LabelValue,
    ObjectName,
    PositiveQuantity,
    QualifiedName,
    Quantity,
    Selector,
)

_SELECTOR_EXAMPLE = {"matchLabels": {"app": "gateway"}}
_TERM_EXAMPLE = {"topologyKey": "kubernetes.io/hostname", "labelSelector": _SELECTOR_EXAMPLE}
_ZONES_EXAMPLE = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a", "b"]}
Weight = Annotated[int, Field(ge=1, le=100, json_schema_extra=INT32)]
Keys = Annotated[list[QualifiedName], Field(max_length=8, json_schema_extra=SET)]
Values = Annotated[list[LabelValue], Field(max_length=32, json_schema_extra=ATOMIC)]


def _needs_values(operators: str, valueless: str) -> ConfigDict:
    rules = cel_rules(
        (
            f"!(self.operator in [{operators}]) || (has(self.values) && self.values.size() > 0)",
            "all operators except Exists and DoesNotExist require at least one value",
        ),
        (
            f"!(self.operator in [{valueless}]) || !has(self.values) || self.values.size() == 0",
            "Exists and DoesNotExist must not have values",
        ),
    )
    return ConfigDict(json_schema_extra=rules)


class LabelRequirement(ApiModel):
    """Requirement on a label."""

    model_config = _needs_values("'In', 'NotIn'", "'Exists', 'DoesNotExist'")
    key: QualifiedName = Field(description="Key of the label.", examples=["app"])
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="Comparison operator.", examples=["In"]
    )
    values: Values | None = Field(
        default=None,
        description="Values to compare with. Must be empty for Exists and DoesNotExist.",
        examples=[["gateway"]],
    )


class LabelSelector(ApiModel):
    """Label selector; all requirements must be met."""

    match_labels: Selector | None = Field(
        default=None, description="Required labels and their values.", examples=[{"app": "gateway"}]
    )
    match_expressions: Annotated[list[LabelRequirement], Field(max_length=8, json_schema_extra=ATOMIC)] | None = Field(
        default=None,
        description="Requirements on labels.",
        examples=[[{"key": "app", "operator": "In", "values": ["gateway"]}]],
    )


class NodeRequirement(ApiModel):
    """Requirement on a node label."""

    model_config = _needs_values("'In', 'NotIn', 'Gt', 'Lt'", "'Exists', 'DoesNotExist'")
    key: QualifiedName = Field(description="Key of the label.", examples=[_ZONES_EXAMPLE["key"]])
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="Comparison operator.", examples=["In"]
    )
    values: Values | None = Field(
        default=None,
        description="Values to compare with. Gt and Lt require one number; must be empty for Exists and DoesNotExist.",
        examples=[["a", "b"]],
    )


class FieldRequirement(ApiModel):
    """Requirement on a node field."""

    key: Literal["metadata.name"] = Field(description="Name of the field.", examples=["metadata.name"])
    operator: Literal["In", "NotIn"] = Field(description="Comparison operator.", examples=["In"])
    values: list[ObjectName] = Field(
        min_length=1,
        max_length=1,
        description="Value to compare with.",
        examples=[["node-1"]],
        json_schema_extra=ATOMIC,
    )


class NodeTerm(ApiModel):
    """Node selector term; all requirements must be met."""

    match_expressions: Annotated[list[NodeRequirement], Field(max_length=8, json_schema_extra=ATOMIC)] | None = Field(
        default=None, description="Requirements on node labels.", examples=[[_ZONES_EXAMPLE]]
    )
    match_fields: Annotated[list[FieldRequirement], Field(max_length=8, json_schema_extra=ATOMIC)] | None = Field(
        default=None,
        description="Requirements on node fields.",
        examples=[[{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]],
    )


class NodeTerms(ApiModel):
    """Node selector; one of the terms must match."""

    node_selector_terms: list[NodeTerm] = Field(
        min_length=1,
        max_length=8,
        description="Terms, one of which must match.",
        examples=[[{"matchExpressions": [_ZONES_EXAMPLE]}]],
        json_schema_extra=ATOMIC,
    )


class PreferredNode(ApiModel):
    """Preferred nodes."""

    weight: Weight = Field(description="Weight of the preference.", examples=[50])
    preference: NodeTerm = Field(description="Preferred nodes.", examples=[{"matchExpressions": [_ZONES_EXAMPLE]}])


class NodeAffinity(ApiModel):
    """Constraints on the nodes of the pods."""

    required_during_scheduling_ignored_during_execution: NodeTerms | None = Field(
        default=None,
        description="Nodes on which the pods may run.",
        examples=[{"nodeSelectorTerms": [{"matchExpressions": [_ZONES_EXAMPLE]}]}],
    )
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[list[PreferredNode], Field(max_length=8, json_schema_extra=ATOMIC)] | None
    ) = Field(
        default=None,
        description="Nodes on which the pods should preferably run.",
        examples=[[{"weight": 50, "preference": {"matchExpressions": [_ZONES_EXAMPLE]}}]],
    )


class PodTerm(ApiModel):
    """Pods of the same namespace, and the topology domain to compare."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "has(self.labelSelector) || !(has(self.matchLabelKeys) || has(self.mismatchLabelKeys))",
                "matchLabelKeys and mismatchLabelKeys require a labelSelector: add one, or remove them",
            )
        )
    )
    topology_key: QualifiedName = Field(
        description="Node label that identifies the topology domain.",
        examples=["kubernetes.io/hostname"],
    )
    label_selector: LabelSelector | None = Field(
        default=None, description="Selector of the pods of the namespace.", examples=[_SELECTOR_EXAMPLE]
    )
    match_label_keys: Keys | None = Field(
        default=None,
        description="Keys of labels that must have the same value on the selected pods and this pod.",
        examples=[["pod-template-hash"]],
    )
    mismatch_label_keys: Keys | None = Field(
        default=None,
        description="Keys of labels that must have different values on the selected pods and this pod.",
        examples=[["tenant"]],
    )


class PreferredPod(ApiModel):
    """Preference relative to other pods."""

    weight: Weight = Field(description="Weight of the preference.", examples=[50])
    pod_affinity_term: PodTerm = Field(
        description="Pods and topology domain of the preference.", examples=[_TERM_EXAMPLE]
    )


class PodAffinity(ApiModel):
    """Constraints relative to other pods."""

    required_during_scheduling_ignored_during_execution: (
        Annotated[list[PodTerm], Field(max_length=8, json_schema_extra=ATOMIC)] | None
    ) = Field(default=None, description="Required terms.", examples=[[_TERM_EXAMPLE]])
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[list[PreferredPod], Field(max_length=8, json_schema_extra=ATOMIC)] | None
    ) = Field(
        default=None,
        description="Preferred terms.",
        examples=[[{"weight": 50, "podAffinityTerm": _TERM_EXAMPLE}]],
    )


class Affinity(ApiModel):
    """Scheduling constraints (core/v1 Affinity, without the fields that reference other namespaces)."""

    node_affinity: NodeAffinity | None = Field(
        default=None,
        description="Constraints on the nodes of the pods.",
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
        description="Pods to run in the same topology domain as.",
        examples=[{"requiredDuringSchedulingIgnoredDuringExecution": [_TERM_EXAMPLE]}],
    )
    pod_anti_affinity: PodAffinity | None = Field(
        default=None,
        description="Pods not to run in the same topology domain as.",
        examples=[{"requiredDuringSchedulingIgnoredDuringExecution": [_TERM_EXAMPLE]}],
    )


_BY_TYPE = "set only the field that matches type: {names}"
_AVERAGE_TEXT = "Target value per pod."


class PodsTarget(ApiModel):
    """Target value per pod."""

    type: Literal["AverageValue"] = Field(description="Type, which names the field to set.", examples=["AverageValue"])
    average_value: PositiveQuantity = Field(description=_AVERAGE_TEXT, examples=["10"])


class ResourceTarget(ApiModel):
    """Target: a percentage of the requests, or a value per pod."""

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
        description="Type, which names the field to set.", examples=["AverageValue"]
    )
    average_value: PositiveQuantity | None = Field(default=None, description=_AVERAGE_TEXT, examples=["10"])
    average_utilization: Annotated[int, Field(ge=1, le=10_000, json_schema_extra=INT32)] | None = Field(
        default=None, description="Target percentage of the requests of the pods.", examples=[80]
    )


class ObjectTarget(ApiModel):
    """Target: a total value, or a value per pod."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            Rule(
                "has(self.value) == (self.type == 'Value') && has(self.averageValue) == (self.type == 'AverageValue')",
                _BY_TYPE.format(names="value or averageValue"),
            )
        )
    )
    type: Literal["Value", "AverageValue"] = Field(
        description="Type, which names the field to set.", examples=["AverageValue"]
    )
    value: PositiveQuantity | None = Field(default=None, description="Target value of the metric.", examples=["100"])
    average_value: PositiveQuantity | None = Field(default=None, description=_AVERAGE_TEXT, examples=["10"])


class MetricName(ApiModel):
    """Metric, identified by name and selector."""

    name: Annotated[
        str,
        string_with_pattern(
            r"^[^/%.\s\p{C}][^/%\s\p{C}]*$",
            "must be the name of a metric: no spaces, '/' or '%', and not beginning with '.'",
            max_length=253,
        ),
    ] = Field(description="Name of the metric.", examples=["requests_per_second"])
    selector: LabelSelector | None = Field(
        default=None, description="Selector of the time series.", examples=[{"matchLabels": {"verb": "POST"}}]
    )


_RATE = {"name": "requests_per_second"}
_AVERAGE = {"type": "AverageValue", "averageValue": "10"}
_USE = {"type": "Utilization", "averageUtilization": 80}


class ResourceMetric(ApiModel):
    """CPU or memory of whole pods."""

    name: Literal["cpu", "memory"] = Field(description="Name of the resource.", examples=["cpu"])
    target: ResourceTarget = Field(description="Target of the metric.", examples=[_USE])


class ContainerMetric(ResourceMetric):
    """CPU or memory of one container."""

    container: Annotated[str, dns_label("container")] = Field(
        description="Name of the container. The model server is named model.", examples=["model"]
    )


class PodsMetric(ApiModel):
    """A metric of each pod."""

    metric: MetricName = Field(description="Metric to use.", examples=[_RATE])
    target: PodsTarget = Field(description="Target of the metric.", examples=[_AVERAGE])


class ExternalMetric(ApiModel):
    """A metric from outside the cluster."""

    metric: MetricName = Field(description="Metric to use.", examples=[_RATE])
    target: ObjectTarget = Field(description="Target of the metric.", examples=[_AVERAGE])


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
    ) = Field(default=None, description="API group and version.", examples=["networking.k8s.io/v1"])
    kind: Annotated[
        str,
        string_with_pattern(
            "^[A-Za-z][A-Za-z0-9]*$", "must be a kind such as Ingress, of letters and digits", max_length=63
        ),
    ] = Field(description="Kind of the object.", examples=["Ingress"])
    name: ObjectName = Field(description="Name of the object, in the namespace of the ModelService.", examples=["iris"])


class ObjectMetric(ExternalMetric):
    """A metric of another object."""

    described_object: ObjectReference = Field(
        description="Object that the metric describes.",
        examples=[{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "iris"}],
    )


_SOURCES = ("resource", "containerResource", "pods", "object", "external")


class MetricSpec(ApiModel):
    """A metric of an autoscaler (autoscaling/v2 MetricSpec)."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                " && ".join(f"has(self.{name}) == (self.type == '{name[0].upper()}{name[1:]}')" for name in _SOURCES),
                f"set only the field that matches type: {', '.join(_SOURCES[:-1])} or {_SOURCES[-1]}",
            )
        )
    )
    type: Literal["Resource", "ContainerResource", "Pods", "Object", "External"] = Field(
        description="Type, which names the field to set.", examples=["Pods"]
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
        description="A metric from outside the cluster.",
        examples=[{"metric": {"name": "queue_length"}, "target": {"type": "AverageValue", "averageValue": "30"}}],
    )


class Policy(ApiModel):
    """Limit for the rate of change."""

    type: Literal["Pods", "Percent"] = Field(
        description="Unit of value: pods, or percent of the current replicas.", examples=["Pods"]
    )
    value: Annotated[int, Field(ge=1, le=10_000, json_schema_extra=INT32)] = Field(
        description="Maximum change within the period.", examples=[2]
    )
    period_seconds: Annotated[int, Field(ge=1, le=1800, json_schema_extra=INT32)] = Field(
        description="Length of the period in seconds.", examples=[60]
    )


class ScalingRules(ApiModel):
    """Scaling rules for one direction."""

    stabilization_window_seconds: Annotated[int, Field(ge=0, le=3600, json_schema_extra=INT32)] | None = Field(
        default=None, description="Seconds of past recommendations to consider, to avoid flapping.", examples=[60]
    )
    select_policy: Literal["Max", "Min", "Disabled"] | None = Field(
        default=None,
        description="Policy to use: the largest change (Max), the smallest change (Min), or no scaling (Disabled).",
        examples=["Max"],
    )
    policies: Annotated[list[Policy], Field(min_length=1, max_length=8, json_schema_extra=ATOMIC)] | None = Field(
        default=None,
        description="Limits for the rate of change.",
        examples=[[{"type": "Pods", "value": 2, "periodSeconds": 60}]],
    )
    tolerance: Quantity | None = Field(
        default=None, description="Deviation from the target that is tolerated, as a fraction.", examples=["0.05"]
    )


class Behavior(ApiModel):
    """Scaling behavior (autoscaling/v2 HorizontalPodAutoscalerBehavior)."""

    scale_up: ScalingRules | None = Field(
        default=None,
        description="Rules for scaling up.",
        examples=[{"policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}],
    )
    scale_down: ScalingRules | None = Field(
        default=None, description="Rules for scaling down.", examples=[{"stabilizationWindowSeconds": 60}]
    )
